"""Whether a database file is whole, and what is in it. The file is read alone: nothing else may use it."""

from dataclasses import dataclass
from pathlib import Path

from service.backup.failure import Unsound
from service.backup.stop import Stop
from service.store import driver, revision
from service.store.driver import sqlite3

LOOK_EVERY = 100_000
"""Steps of SQLite's machine, some milliseconds, between two looks at the stop."""


@dataclass(frozen=True, slots=True)
class Contents:
    revision: str
    jobs: int
    attempts: int
    newest_job_id: str | None


def inspect(path: Path, stop: Stop) -> Contents:
    """Reads every page. Raises `Unsound`, or `Stopped`."""
    try:
        connection = driver.connect(path, "ro")
    except sqlite3.Error as error:
        raise Unsound(driver.reason(error)) from error
    try:
        watch(connection, stop)
        return _inspect(connection)
    except sqlite3.Error as error:
        stop.check()
        raise Unsound(driver.reason(error)) from error
    finally:
        connection.close()


def watch(connection: sqlite3.Connection, stop: Stop) -> None:
    """A stop interrupts what this connection does."""
    connection.set_progress_handler(lambda: stop.asked, LOOK_EVERY)


def newest_job(connection: sqlite3.Connection) -> tuple[int, str] | None:
    """The number and the id of the last submission."""
    row = connection.execute("SELECT seq, id FROM job ORDER BY seq DESC LIMIT 1").fetchone()
    return None if row is None else (int(row[0]), str(row[1]))


def _inspect(connection: sqlite3.Connection) -> Contents:
    found = revision.found(connection)
    if found is None:
        raise Unsound("it has no schema")
    if not revision.is_behind(found) and (refusal := revision.refusal(connection)):
        raise Unsound(refusal)
    for pragma in ("integrity_check", "foreign_key_check"):
        rows = connection.execute(f"PRAGMA {pragma}").fetchmany(3)
        if rows and rows != [("ok",)]:
            raise Unsound(f"{pragma}: {'; '.join(' '.join(map(str, row)) for row in rows)}")
    # Kept by triggers as jobs come and go, and stored apart: rows that are missing show here.
    counted = dict(connection.execute("SELECT state, count(*) FROM job GROUP BY state").fetchall())
    kept = dict(connection.execute("SELECT state, jobs FROM counter WHERE jobs <> 0").fetchall())
    if counted != kept:
        raise Unsound(f"its rows are not those that it counted: {counted} instead of {kept}")
    newest = newest_job(connection)
    (attempts,) = connection.execute("SELECT count(*) FROM attempt").fetchone()
    return Contents(found, sum(counted.values()), int(attempts), newest[1] if newest else None)
