"""Alembic, kept apart: a start that finds the database at the newest schema does not load it."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import StaticPool, create_engine
from sqlalchemy.exc import DBAPIError

from service.domain.job import StorageUnavailable
from service.store import driver

FOLDER = Path(__file__).parent


def head() -> str:
    """The revision this version of the service works with."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    assert revision is not None  # noqa: S101  there is always a first migration
    return revision


def declared_oldest(script: object) -> str | None:
    """The `oldest` of a migration that contracts the schema: the revision that a version must have to work on it."""
    oldest: str | None = getattr(getattr(script, "module", None), "oldest", None)
    return oldest


def oldest_after(found: str, folder: Path = FOLDER) -> str:
    """The oldest revision that a version must have once the migrations missing from `found` have run; "": any."""
    missing = ScriptDirectory.from_config(_config(folder)).iterate_revisions("head", found)
    return max((declared_oldest(each) or "" for each in missing), default="")


def to_head(connection: driver.sqlite3.Connection) -> None:
    """Run the missing migrations in one transaction. Raises `StorageUnavailable`."""
    to(connection, "head")


def to(connection: driver.sqlite3.Connection, revision: str, folder: Path = FOLDER) -> None:
    """The same up to a revision, with the migrations of that folder."""
    try:
        _upgrade(connection, revision, folder)
    except DBAPIError as error:
        raise StorageUnavailable(driver.reason(error.orig or error)) from error


def _upgrade(connection: driver.sqlite3.Connection, revision: str, folder: Path) -> None:
    # `module` decides which SQLite the dialect thinks of; without it SQLAlchemy would import the standard one.
    engine = create_engine("sqlite://", module=driver.sqlite3, creator=lambda: connection, poolclass=StaticPool)
    with engine.connect() as session:
        session.exec_driver_sql("BEGIN IMMEDIATE")  # the driver begins none before DDL: half a schema could remain
        config = _config(folder)
        config.attributes["connection"] = session
        command.upgrade(config, revision)
        session.commit()


def _config(folder: Path = FOLDER) -> Config:
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return config
