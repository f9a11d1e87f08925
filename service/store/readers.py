"""The connections that read: a few, read-only, each used by one thread at a time.

They are opened and closed together by the writer, under the write lock: while one of them is open on a file, SQLite
shares that file's log index with every other connection of this process.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.domain.job import StorageUnavailable
from service.store import driver
from service.store.driver import sqlite3
from service.store.identity import Identity, Moved

CONNECTIONS = 2


class Readers:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._changed = threading.Condition()
        self._identity: Identity | None = None  # None: closed
        self._all: list[sqlite3.Connection] = []
        self._free: list[sqlite3.Connection] = []

    def open(self, identity: Identity) -> None:
        """Raises `Moved` when other files stand at the path by now."""
        connections: list[sqlite3.Connection] = []
        try:
            for _ in range(CONNECTIONS):
                connections.append(driver.connect(self._path, "ro"))
                connections[-1].execute("SELECT 1 FROM alembic_version").fetchone()  # opens the log
            identity.verify(self._path)
        except BaseException:
            for connection in connections:
                connection.close()
            raise
        with self._changed:
            self._all, self._free, self._identity = connections, list(connections), identity

    def close(self) -> None:
        """No read starts any more; those under way end first."""
        with self._changed:
            self._identity = None
            for connection in self._all:
                connection.interrupt()  # so that a long read cannot hold up the writer
            self._changed.wait_for(lambda: len(self._free) == len(self._all))
            for connection in self._all:
                connection.close()
            self._all, self._free = [], []

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """A connection on which all reads see the same moment. Raises `StorageUnavailable`, also while it is used."""
        with self._changed:
            self._changed.wait_for(lambda: self._free or self._identity is None)
            if self._identity is None:
                raise StorageUnavailable("database file was moved, replaced or deleted")
            identity, connection = self._identity, self._free.pop()
        try:
            identity.verify(self._path)
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("COMMIT")
        except Moved as error:
            raise StorageUnavailable(str(error)) from error
        except sqlite3.DatabaseError as error:
            if not driver.is_storage_failure(error):
                raise
            raise StorageUnavailable(driver.reason(error)) from error
        finally:
            with self._changed:
                self._free.append(connection)
                self._changed.notify_all()
