"""Creates the database and brings it to the newest schema. Called once, in the parent, before any worker starts."""

import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import StaticPool, create_engine
from sqlalchemy.exc import DBAPIError

from service.domain.job import StorageUnavailable
from service.store import driver, log
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
                logging.getLogger(__name__).warning("foreign_log_set_aside", extra={"file": str(aside)})
            connection = driver.connect(path, "rwc")
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                _upgrade(connection)
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                connection.close()  # the last connection's close checkpoints: it too belongs under the lock
    except DBAPIError as error:
        raise StorageUnavailable(driver.reason(error.orig or error)) from error
    except (OSError, driver.sqlite3.Error) as error:
        raise StorageUnavailable(driver.reason(error)) from error


def head() -> str:
    """The revision this version of the service works with."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    assert revision is not None  # noqa: S101  there is always a first migration
    return revision


def _upgrade(connection: driver.sqlite3.Connection) -> None:
    # `module` decides which SQLite the dialect thinks of; without it SQLAlchemy would import the standard one.
    engine = create_engine("sqlite://", module=driver.sqlite3, creator=lambda: connection, poolclass=StaticPool)
    with engine.connect() as session:
        session.exec_driver_sql("BEGIN IMMEDIATE")  # the driver begins none before DDL: half a schema could remain
        config = _config()
        config.attributes["connection"] = session
        command.upgrade(config, "head")
        session.commit()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config
