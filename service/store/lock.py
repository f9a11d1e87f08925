"""The lock that orders the writers of all processes: `flock` on a file beside the database.

SQLite's own lock waits by polling, which starves a process for seconds under load, and does not cover checkpoints,
where the WAL-reset bug loses commits. This one queues fairly and covers both. The file also remembers which database
file the write-ahead log at its side belongs to (see `database`).

A process pool must be started by spawn or forkserver: a forked child would inherit the open file, and with it the lock.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self


class WriteLock:
    """Taking it blocks, so it is taken in threads only. Raises `OSError` when the directory cannot be used."""

    def __init__(self, database: Path) -> None:
        self._path = Path(f"{database.resolve()}.lock")
        self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    @contextmanager
    def held(self) -> Iterator[None]:
        self._take()
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def note(self) -> tuple[int, ...]:
        """The numbers last remembered; empty when there are none."""
        text = os.pread(self._file, 100, 0).split()
        return tuple(int(word) for word in text) if all(word.isdigit() for word in text) else ()

    def remember(self, numbers: tuple[int, ...]) -> None:
        """Best effort: on a full disk it is no reason to fail."""
        if numbers != self.note():
            with suppress(OSError):
                os.pwrite(self._file, " ".join(map(str, numbers)).encode().ljust(100), 0)

    def _take(self) -> None:
        while True:
            if self._file < 0:
                self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            fcntl.flock(self._file, fcntl.LOCK_EX)
            if self._is_at_its_path():
                return
            self._close()  # someone replaced the file: others lock the new one, and the old one excludes nobody

    def _is_at_its_path(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._file), self._path.stat())
        except FileNotFoundError:
            return False

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
