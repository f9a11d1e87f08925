"""Which schema a database has, and which one this version needs. Apart, so that nobody imports Alembic to compare."""

from service.store.driver import sqlite3

REVISION = "0002"
"""The newest migration's; a test compares them."""


def found(connection: sqlite3.Connection) -> str | None:
    """The database's revision; None: it has no schema."""
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise
        return None
    return None if row is None else str(row[0])
