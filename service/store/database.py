"""The database file as its one writing connection sees it: opened, watched, checkpointed, left when taken away.

Never open or copy the file by other means in this process: closing any descriptor of it drops SQLite's POSIX locks.
Everything here but `verify` is called under the write lock, in the writer's thread.
"""

import logging
import os
import time
from pathlib import Path

from service.domain.job import StorageUnavailable
from service.domain.ports import StoreObserver
from service.store import driver, log, revision
from service.store.driver import Synchronous, sqlite3
from service.store.identity import Identity, Moved, file_at
from service.store.lock import WriteLock
from service.store.readers import Readers

CHECKPOINT_PAGES = 1000
"""Written to the log by this process between two checkpoints, about 4 MiB. Its size does not tell: it is reused."""

PAGES_A_COMMIT = 8
"""Each commit writes about one page per index, however few rows it changes."""

LOG_LIMIT_BYTES = 64 * 2**20
"""A log that grew beyond (a long reader held it) is cut back as soon as its readers allow."""

LOG_MOST_BYTES = 4 * 2**30
"""A log that a reader of another process keeps from starting again grows with each commit (some 60 KB a job). Beyond
this no more jobs are taken, so that the disk is not filled for a reader's sake; those that are there go on."""


class Database:
    def __init__(self, path: Path, lock: WriteLock, synchronous: Synchronous, observer: StoreObserver) -> None:
        self.path = path.resolve()  # beside a link's target stand its log files
        self.readers = Readers(self.path)
        self._lock = lock
        self._synchronous: Synchronous = synchronous
        self._observer = observer
        self._connection: sqlite3.Connection | None = None
        self._identity: Identity | None = None
        self._pages = 0  # written since the last checkpoint, estimated

    @property
    def connection(self) -> sqlite3.Connection:
        """Raises `Moved` when the file was lost and is not found again."""
        if self._connection is None:
            raise Moved("database file was moved, replaced or deleted")
        return self._connection

    @property
    def is_open(self) -> bool:
        return self._connection is not None

    def verify(self) -> None:
        """Raises `Moved` unless the open files are those at the path."""
        if self._identity is None:
            raise Moved("database file was moved, replaced or deleted")
        self._identity.verify(self.path)

    def open(self) -> None:
        """Raises `StorageUnavailable` when the file is missing, unreadable, or not a database of this version."""
        before = file_at(str(self.path))
        if before is None:
            raise StorageUnavailable("database file is missing")
        if aside := log.set_aside_foreign(self.path, self._lock):
            self._observer.event("foreign_log_set_aside", logging.WARNING, file=str(aside))
        connection = driver.connect(self.path, "rw", synchronous=self._synchronous)
        try:
            self._require_revision(connection)
            if connection.execute("PRAGMA journal_mode = WAL").fetchone() != ("wal",):  # a restored copy has none
                raise StorageUnavailable("database cannot use a write-ahead log here")
            self._require_revision(connection)  # and this read opens the log
            identity = Identity.at(self.path)
            if identity[0] != before or None in identity:
                raise StorageUnavailable("database file was replaced while it was opened")
            log.remember(self.path, self._lock)
            self.readers.open(identity)
        except BaseException:
            connection.close()
            raise
        self._connection, self._identity, self._pages = connection, identity, 0

    def leave(self) -> None:
        """Part from a file that is no longer ours, so that nothing acknowledged is lost and no trace of it stays.

        Its last rows may stand in the log alone, and that was left behind at the path. So the log is written into the
        file first, wherever that is now. Were it not emptied, SQLite would replay it into any file put at the path.
        Raises `sqlite3.Error` when that must be tried again.
        """
        self.readers.close()
        connection = self.connection
        connection.execute("PRAGMA busy_timeout = 1000")
        try:
            if self._truncate(connection):
                raise sqlite3.OperationalError("another process still reads the database")
        except sqlite3.DatabaseError as error:
            if not driver.is_beyond_help(error):
                raise
            self._observer.event("database_damaged", logging.ERROR, reason=driver.reason(error))
        self._connection = self._identity = None
        connection.close()

    def close(self) -> None:
        self.readers.close()
        if self._connection is not None:
            self._connection.close()  # the last one to close checkpoints
            self._connection = None

    def written(self, changes: int) -> None:
        """A commit changed that many rows."""
        self._pages += PAGES_A_COMMIT + changes

    def checkpoint_is_due(self) -> bool:
        return self.is_open and self._pages >= CHECKPOINT_PAGES

    def checkpoint(self) -> None:
        """Move what is committed from the log into the file, so that the log can start again from its beginning."""
        self._pages = 0
        if self.log_bytes() < LOG_LIMIT_BYTES:
            self.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        else:
            self.flush()

    def flush(self) -> None:
        """Empty the log, so that the file alone is whole. Gives up at once if someone reads an old part of it."""
        self.connection.execute("PRAGMA busy_timeout = 0")  # to wait here would hold up the writers of all processes
        try:
            self._truncate(self.connection)
        finally:
            self.connection.execute(f"PRAGMA busy_timeout = {int(driver.BUSY_SECONDS * 1000)}")

    def probe(self) -> None:
        """Write for real, changing nothing in the end. Raises as a commit would.

        A row is made and deleted: SQLite does not write an update that changes no byte.
        """
        connection = self.connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.execute("INSERT INTO counter (state, jobs) VALUES ('probe', 0)")
            connection.execute("DELETE FROM counter WHERE state = 'probe'")
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    def log_is_quiet(self, seconds: float) -> bool:
        """Whether the log holds something and nobody has written to it for that long."""
        try:
            status = Path(f"{self.path}-wal").stat()
        except FileNotFoundError:
            return False
        return status.st_size > 0 and abs(time.time() - status.st_mtime) >= seconds

    def log_bytes(self) -> int:
        try:
            return Path(f"{self.path}-wal").stat().st_size
        except FileNotFoundError:
            return 0

    def log_is_full(self) -> bool:
        return self.log_bytes() > LOG_MOST_BYTES

    def free_bytes(self) -> int:
        space = os.statvfs(self.path.parent)
        return space.f_bavail * space.f_frsize

    @staticmethod
    def _truncate(connection: sqlite3.Connection) -> bool:
        (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return bool(busy)

    def _require_revision(self, connection: sqlite3.Connection) -> None:
        if refusal := revision.refusal(connection):
            raise StorageUnavailable(refusal)
