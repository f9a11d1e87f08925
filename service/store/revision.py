"""Which schema a database has, and which ones this version works on. Apart, so that nobody imports Alembic to compare.

During an upgrade two versions share the database, at the newer one's schema. So migrations expand it, and the older
version works on; one that contracts it notes in the database which revision's code is the oldest that still can.
"""

from pathlib import Path

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


def oldest(connection: sqlite3.Connection) -> str:
    """The oldest revision whose code works on this schema. Migrations that contract it raise it."""
    (number,) = connection.execute("PRAGMA user_version").fetchone()
    return f"{number:04}"


def is_behind(found: str | None) -> bool:
    """Whether migrations of this version are missing."""
    return found is None or found in known()[:-1]


def refusal(connection: sqlite3.Connection) -> str | None:
    """Why this version cannot work on the database; None: it can."""
    has = found(connection)
    if has == REVISION:
        return None
    if has is None:
        return f"database has no schema, this version needs {REVISION}"
    if not has.isdecimal() or has < REVISION:
        return f"database is at schema revision {has}, this version needs {REVISION}"
    if (needed := oldest(connection)) > REVISION:
        return f"database is at schema revision {has}, which needs a version with {needed}; this one has {REVISION}"
    return None


def known() -> list[str]:
    """Those that this version can bring to its own, the oldest first: a migration's file begins with its revision."""
    return sorted(path.name.partition("_")[0] for path in Path(__file__).parent.glob("migrations/versions/*_*.py"))
