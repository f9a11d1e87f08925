/* Between SQLite and the disk, loaded by LD_PRELOAD into the service's processes. $FAULTS_DISK names a folder:
 *
 *   eio      while it is there, syncs are counted from the number in it down to 0; that one fails with EIO and removes it
 *   writes   if it is there, each write, truncation and sync of jobs.db and jobs.db-wal is appended to it, with its data,
 *            in their order: writers take turns, so there is one
 *
 * A record is a header as below, then `length` bytes of data for a write. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { WRITE = 1, TRUNCATE = 2, SYNC = 3 };
enum { FILES = 4096 };

struct header {
    double at; /* CLOCK_MONOTONIC, once it was done */
    int32_t what;
    int32_t file; /* 1 the database, 2 its log */
    int64_t offset, length;
};

static char file_of[FILES];
static int record = -1;
static char eio_path[512];
static long countdown = -1;

__attribute__((constructor)) static void begin(void) {
    const char *folder = getenv("FAULTS_DISK");
    char path[512];
    if (folder == NULL) return;
    snprintf(eio_path, sizeof eio_path, "%s/eio", folder);
    snprintf(path, sizeof path, "%s/writes", folder);
    int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    record = real(path, O_WRONLY | O_APPEND | O_CLOEXEC);
}

static int ends_with(const char *path, const char *end) {
    size_t length = strlen(path), wanted = strlen(end);
    return length >= wanted && strcmp(path + length - wanted, end) == 0;
}

static int opened(int fd, const char *path) {
    if (fd >= 0 && fd < FILES) file_of[fd] = ends_with(path, "/jobs.db") ? 1 : ends_with(path, "/jobs.db-wal") ? 2 : 0;
    return fd;
}

static int file(int fd) { return fd >= 0 && fd < FILES ? file_of[fd] : 0; }

static void done(int fd, int what, int64_t offset, const void *data, int64_t length) {
    if (record < 0 || !file(fd)) return;
    int saved = errno;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    struct header header = {now.tv_sec + now.tv_nsec / 1e9, what, file(fd), offset, length};
    struct iovec parts[] = {{&header, sizeof header}, {(void *)data, data == NULL ? 0 : (size_t)length}};
    if (writev(record, parts, 2) != (ssize_t)(sizeof header + parts[1].iov_len)) abort(); /* a hole would prove nothing */
    errno = saved;
}

#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...) {                                                                       \
        static int (*real)(const char *, int, ...);                                                                    \
        if (real == NULL) real = dlsym(RTLD_NEXT, #name);                                                              \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        int mode = va_arg(rest, int);                                                                                  \
        va_end(rest);                                                                                                  \
        return opened(real(path, flags, mode), path);                                                                  \
    }
OPEN(open)
OPEN(open64)

#define PWRITE(name, offset_t)                                                                                         \
    ssize_t name(int fd, const void *data, size_t length, offset_t offset) {                                           \
        static ssize_t (*real)(int, const void *, size_t, offset_t);                                                   \
        if (real == NULL) real = dlsym(RTLD_NEXT, #name);                                                              \
        ssize_t wrote = real(fd, data, length, offset);                                                                \
        if (wrote > 0) done(fd, WRITE, offset, data, wrote);                                                           \
        return wrote;                                                                                                  \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t write(int fd, const void *data, size_t length) {
    static ssize_t (*real)(int, const void *, size_t);
    if (real == NULL) real = dlsym(RTLD_NEXT, "write");
    ssize_t wrote = real(fd, data, length);
    if (wrote > 0 && file(fd)) done(fd, WRITE, lseek(fd, 0, SEEK_CUR) - wrote, data, wrote);
    return wrote;
}

#define TRUNCATION(name, offset_t)                                                                                     \
    int name(int fd, offset_t length) {                                                                                \
        static int (*real)(int, offset_t);                                                                             \
        if (real == NULL) real = dlsym(RTLD_NEXT, #name);                                                              \
        int result = real(fd, length);                                                                                 \
        if (result == 0) done(fd, TRUNCATE, length, NULL, 0);                                                          \
        return result;                                                                                                 \
    }
TRUNCATION(ftruncate, off_t)
TRUNCATION(ftruncate64, off64_t)

static int fails(int fd) {
    if (!file(fd) || eio_path[0] == 0) return 0;
    FILE *found = fopen(eio_path, "r");
    if (found == NULL) return countdown = -1, 0;
    if (countdown < 0 && fscanf(found, "%ld", &countdown) != 1) countdown = -1;
    fclose(found);
    if (countdown < 0 || countdown-- > 0) return 0;
    return unlink(eio_path) == 0; /* of several processes one */
}

#define SYNCHRONISE(name)                                                                                              \
    int name(int fd) {                                                                                                 \
        static int (*real)(int);                                                                                       \
        if (real == NULL) real = dlsym(RTLD_NEXT, #name);                                                              \
        if (fails(fd)) return errno = EIO, -1;                                                                         \
        int result = real(fd);                                                                                         \
        if (result == 0) done(fd, SYNC, 0, NULL, 0);                                                                   \
        return result;                                                                                                 \
    }
SYNCHRONISE(fsync)
SYNCHRONISE(fdatasync)

int close(int fd) {
    static int (*real)(int);
    if (real == NULL) real = dlsym(RTLD_NEXT, "close");
    if (fd >= 0 && fd < FILES) file_of[fd] = 0;
    return real(fd);
}
