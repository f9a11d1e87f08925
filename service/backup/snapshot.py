"""A consistent copy of a database in use: one moment of it, while writers go on.

`VACUUM INTO` reads within one transaction. The connection is opened and closed under the write lock, as all are: its
first read may rebuild the log's index, and the last connection to close may write the log into the file. In between it
only reads, and needs no lock. It is a read-only one, so it cannot write to the file whatever happens.
"""

from contextlib import ExitStack, suppress
from pathlib import Path

from service.backup.failure import BackupFailed
from service.backup.inspection import newest_job, watch
from service.backup.stop import Stop, Stopped
from service.store import driver, log
from service.store.driver import sqlite3
from service.store.identity import Identity, Moved
from service.store.lock import WriteLock


def copy(database: Path, target: Path, stop: Stop) -> None:
    """Every job that was acknowledged before the call is in the copy. Raises `BackupFailed`, or `Stopped`."""
    try:
        with WriteLock(database) as lock:
            connection, identity, newest = _open(database, lock, stop)
            try:
                connection.execute("VACUUM INTO ?", (str(target),))
                identity.verify(database)  # else it is a copy of a file that was taken away meanwhile
            finally:
                with ExitStack() as held:
                    with suppress(Stopped), stop.interrupting():
                        held.enter_context(lock.held())
                    connection.close()  # at a stop without the lock: a read-only one writes nothing
        _require(target, newest)
    except Moved as error:
        raise BackupFailed("copy", str(error)) from error
    except (OSError, sqlite3.Error) as error:
        stop.check()
        raise BackupFailed("copy", driver.reason(error)) from error


def _open(database: Path, lock: WriteLock, stop: Stop) -> tuple[sqlite3.Connection, Identity, tuple[int, str] | None]:
    with ExitStack() as held:
        with stop.interrupting():
            held.enter_context(lock.held())
        log.set_aside_foreign(database, lock)
        connection = driver.connect(database, "ro")
        try:
            newest = newest_job(connection)  # and this read opens the log
            connection.execute("PRAGMA query_only = OFF")  # it forbids VACUUM INTO too
            watch(connection, stop)
            return connection, Identity.at(database), newest
        except BaseException:
            connection.close()
            raise


def _require(target: Path, newest: tuple[int, str] | None) -> None:
    """What the source showed before must be in the copy: it is the one fact that does not come from the copy itself."""
    connection = driver.connect(target, "ro")
    try:
        copied = newest_job(connection)
    finally:
        connection.close()
    if newest is not None and (copied is None or copied[0] < newest[0]):
        raise BackupFailed("copy", f"the copy lacks the newest job of the database, {newest[1]}")
