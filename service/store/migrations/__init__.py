"""Creates the database and brings it to the newest schema. Called once, in the parent, before any worker starts.

Each migration must leave the version before it working: docs/upgrades.md has the rules, tests/store/test_expansion.py
keeps them. One that cannot says so by `oldest = "0004"`: code that does not know that revision refuses the schema.
"""

import logging
from contextlib import closing
from pathlib import Path

from service.domain.job import StorageUnavailable
from service.store import driver, log, revision
from service.store.lock import WriteLock


def migrate(path: Path) -> None:
    """Make the directory and the file if they are missing, then run the missing migrations in one transaction.

    Under the write lock: processes of an earlier version may be at work. A database that a newer version has
    migrated stays as it is. Raises `StorageUnavailable`, also when this version cannot work on it.
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
                if revision.is_behind(revision.found(connection)):
                    from service.store.migrations import upgrade  # loads Alembic: half a second

                    upgrade.to_head(connection)
                    connection.execute(
                        "PRAGMA busy_timeout = 0"
                    )  # a reader of another process must not hold up all writers
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                elif refusal := revision.refusal(connection):
                    raise StorageUnavailable(refusal)
            finally:
                connection.close()  # the last connection's close checkpoints: it too belongs under the lock
    except (OSError, driver.sqlite3.Error) as error:
        raise StorageUnavailable(driver.reason(error)) from error


def problem_beside(path: Path) -> str | None:
    """Why this version cannot work beside the one that serves from that database now; None: it can, or none does."""
    if not path.exists():
        return None
    try:
        with closing(driver.connect(path, "ro")) as connection:
            found = revision.found(connection)
            if found is None or not revision.is_behind(found):
                return revision.refusal(connection) if found else None
    except driver.sqlite3.Error as error:
        return driver.reason(error)
    from service.store.migrations import upgrade

    if (oldest := upgrade.oldest_after(found)) > found:
        return (
            f"the migrations of this version leave no version before {oldest} working, and the database is at {found}:"
            " upgrade to a version in between first, or stop the service for this one"
        )
    return None
