"""Creates the database and brings it to the newest schema. Called once, in the parent, before any worker starts."""

import logging
from pathlib import Path

from service.domain.job import StorageUnavailable
from service.store import driver, log, revision
from service.store.lock import WriteLock


def migrate(path: Path) -> None:
    """Make the directory and the file if they are missing, then run the missing migrations in one transaction.

    Under the write lock: processes of an earlier version may be at work. Raises `StorageUnavailable`.
    """
    path = path.resolve()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with WriteLock(path) as lock, lock.held():
            if aside := log.set_aside_foreign(path, lock):
                logging.getLogger(__name__).warning("foreign_log_set_aside", extra={"fields": {"file": str(aside)}})
            connection = driver.connect(path, "rwc")
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                if revision.found(connection) != revision.REVISION:
                    from service.store.migrations import upgrade  # loads Alembic: half a second

                    upgrade.to_head(connection)
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                connection.close()  # the last connection's close checkpoints: it too belongs under the lock
    except (OSError, driver.sqlite3.Error) as error:
        raise StorageUnavailable(driver.reason(error)) from error
