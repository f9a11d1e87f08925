"""The one SQLite driver of the process, how it connects, and what its errors mean.

`pysqlite3` where it is installed (its SQLite has the WAL-reset fix), else the standard library's. Never both: two
copies of SQLite in one process do not see each other's POSIX locks, and a file opened by both is corrupted.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

if TYPE_CHECKING:
    import sqlite3
else:
    try:
        from pysqlite3 import dbapi2 as sqlite3
    except ImportError:
        import sqlite3

__all__ = [
    "connect",
    "is_beyond_help",
    "is_busy",
    "is_storage_failure",
    "reason",
    "sqlite3",
    "sqlite_version",
    "wal_reset_fixed",
]

Synchronous = Literal["FULL", "NORMAL"]

BUSY_SECONDS = 5.0
"""How long to wait for another program that locks the database without our lock, such as the command `sqlite3`."""

_REASONS = {
    5: "database is locked by another program",
    6: "database is locked by another program",
    8: "database is read-only",
    10: "disk I/O error",
    11: "database is corrupt",
    13: "disk full",
    14: "database file cannot be opened",
    26: "file is not a database",
}


def sqlite_version() -> str:
    return sqlite3.sqlite_version


def wal_reset_fixed(version: str) -> bool:
    """Whether that SQLite is free of the WAL-reset bug (two connections that write and checkpoint at once may lose
    commits). Source: sqlite.org/wal.html, "The WAL-Reset Bug"."""
    parts = tuple(int(part) for part in version.split("."))
    return parts >= (3, 51, 3) or (3, 50, 7) <= parts < (3, 51) or (3, 44, 6) <= parts < (3, 45)


def connect(path: Path, mode: Literal["ro", "rw", "rwc"], *, synchronous: Synchronous = "FULL") -> "sqlite3.Connection":
    """A connection whose transactions are begun by us alone. Only "rwc" creates a missing file."""
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode={mode}",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        for pragma in (
            "wal_autocheckpoint = 0",  # a checkpoint outside the write lock meets the WAL-reset bug
            f"synchronous = {synchronous}",  # FULL: a commit is on disk when it returns; NORMAL: when the WAL is full
            "fullfsync = ON",  # macOS: fsync alone stops at the drive's cache
            "foreign_keys = ON",
            *(("query_only = ON",) if mode == "ro" else ()),
        ):
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


def is_storage_failure(error: BaseException) -> bool:
    """Whether the storage failed, rather than one statement's own values."""
    values = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, sqlite3.NotSupportedError)
    return isinstance(error, OSError) or (isinstance(error, sqlite3.DatabaseError) and not isinstance(error, values))


def is_busy(error: BaseException) -> bool:
    return _code(error) in (5, 6)


def is_beyond_help(error: BaseException) -> bool:
    """Whether trying again cannot help: the file is damaged, or no database any more."""
    return _code(error) in (11, 26)


def reason(error: BaseException) -> str:
    """A short text for clients and logs, without paths."""
    if isinstance(error, OSError):
        return f"database directory cannot be used: {error.strerror or type(error).__name__}"
    return _REASONS.get(_code(error), str(error))


def _code(error: BaseException) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF  # the low byte is the primary result code
