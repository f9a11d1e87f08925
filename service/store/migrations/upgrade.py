"""Alembic, kept apart: a start that finds the database at the newest schema does not load it."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import StaticPool, create_engine
from sqlalchemy.exc import DBAPIError

from service.domain.job import StorageUnavailable
from service.store import driver


def head() -> str:
    """The revision this version of the service works with."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    assert revision is not None  # noqa: S101  there is always a first migration
    return revision


def to_head(connection: driver.sqlite3.Connection) -> None:
    """Run the missing migrations in one transaction. Raises `StorageUnavailable`."""
    try:
        _upgrade(connection)
    except DBAPIError as error:
        raise StorageUnavailable(driver.reason(error.orig or error)) from error


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
