"""Which files stand at the database's path: SQLite itself goes on committing into a file that was moved or deleted.

The write-ahead log and its index (-wal, -shm) belong to it: a process whose log is no longer the one at the path would
write commits that nobody else can see.
"""

import os
from pathlib import Path
from typing import Self

File = tuple[int, int] | None
"""Device and inode; None: no such file."""


class Moved(Exception):
    """The files at the path are not those that are open."""


class Identity(tuple[File, File, File]):
    """Device and inode of database, log and index."""

    __slots__ = ()

    @classmethod
    def at(cls, path: Path) -> Self:
        return cls((file_at(f"{path}"), file_at(f"{path}-wal"), file_at(f"{path}-shm")))

    def verify(self, path: Path) -> None:
        """A few microseconds. Raises `Moved` unless the same files stand there still."""
        found = Identity.at(path)
        if found == self and None not in found:
            return
        if found[0] is None:
            raise Moved("database file was moved or deleted")
        raise Moved(
            "database file was replaced" if found[0] != self[0] else "database's log files were moved or deleted"
        )


def file_at(name: str) -> File:
    try:
        status = os.stat(name)  # noqa: PTH116  before and after each commit: half the time of Path.stat
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
