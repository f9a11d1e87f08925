"""One round: a backup is made, what is too old goes, a copy leaves the machine. A failure is logged and counted."""

import fcntl
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from service.backup import archive
from service.backup.failure import BackupFailed
from service.backup.making import make
from service.backup.offsite import Offsite
from service.backup.rotation import superfluous
from service.backup.stop import Stop
from service.settings import Settings
from service.telemetry.backup import BackupTelemetry


def free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free


class Round:
    """`offsite`: None keeps the backups on this machine. `free`: bytes free on the disk of a folder."""

    def __init__(
        self,
        settings: Settings,
        telemetry: BackupTelemetry,
        stop: Stop,
        offsite: Offsite | None = None,
        *,
        free: Callable[[Path], int] = free_bytes,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = settings.database_path
        self._folder = settings.backup_dir.resolve()
        self._keep = settings.backup_keep_newest, settings.backup_keep_days
        self._telemetry = telemetry
        self._stop = stop
        self._offsite = offsite
        self._free = free
        self._clock = clock

    def run(self) -> Path | None:
        """The new, verified backup; None if it failed. Raises `Stopped`."""
        started = time.monotonic()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with _alone(self._folder, self._stop):
                self._clear()
                backup, contents = make(self._database, self._folder, self._clock, self._free, self._stop)
                self._rotate()
        except BackupFailed as failure:
            self._failed(failure)
            return None
        except OSError as error:
            self._failed(BackupFailed("copy", error.strerror or str(error)))
            return None
        size, took = backup.stat().st_size, time.monotonic() - started
        self._telemetry.made(size, took)
        self._telemetry.event(
            "backup_verified",
            file=backup.name,
            size_bytes=size,
            jobs=contents.jobs,
            attempts=contents.attempts,
            newest_job_id=contents.newest_job_id,
            elapsed=round(took, 3),
        )
        return backup

    def copy_off(self) -> bool:
        """The newest backup, if there is one and a place for it; then the same rotation there. Whether nothing failed.
        Raises `Stopped`."""
        newest = archive.names(self._folder)[-1:]
        if self._offsite is None or not newest:
            return True
        started = time.monotonic()
        try:
            self._offsite.copy(self._folder / newest[0])
            self._telemetry.copied(archive.time_of(newest[0]) or 0)
            elapsed = round(time.monotonic() - started, 3)
            self._telemetry.event("backup_copied", file=newest[0], remote=self._offsite.remote, elapsed=elapsed)
            for name in superfluous(self._offsite.names(), *self._keep):
                self._offsite.delete(name)
                self._telemetry.event("backup_deleted", file=name, folder=self._offsite.remote)
        except BackupFailed as failure:
            self._failed(failure)
            return False
        return True

    def newest(self) -> float | None:
        """When the newest verified backup was taken."""
        return max((archive.time_of(name) or 0 for name in archive.names(self._folder)), default=None)

    def _clear(self) -> None:
        for left in archive.leftovers(self._folder):
            shutil.rmtree(left, ignore_errors=True)
            self._telemetry.event("backup_leftover_deleted", logging.WARNING, file=left.name)

    def _rotate(self) -> None:
        for name in superfluous(archive.names(self._folder), *self._keep):
            try:
                (self._folder / name).unlink()
            except OSError as error:
                self._failed(BackupFailed("rotate", f"{name}: {error.strerror}"))
            else:
                self._telemetry.event("backup_deleted", file=name, folder=str(self._folder))

    def _failed(self, failure: BackupFailed) -> None:
        self._telemetry.failed(failure.stage)
        self._telemetry.event("backup_failed", logging.ERROR, stage=failure.stage, reason=str(failure))


@contextmanager
def _alone(folder: Path, stop: Stop) -> Iterator[None]:
    """One backup at a time: `make backup` waits for the one on schedule, and neither takes the other's files for
    leftovers."""
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        with stop.interrupting():
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
