"""Puts a backup in the place of the database. Nothing is overwritten: what stands there is moved aside, and only if no
process has it open.

The backup is made whole in a folder beside the database and judged there, then one rename puts it into its place: at
every moment there is the old database or the whole new one. Were there none, a service that starts would make one.
"""

import fcntl
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from service.backup import archive, inspection
from service.backup.failure import Refused, Unsound
from service.backup.inspection import Contents
from service.backup.stop import Stop
from service.domain.job import StorageUnavailable
from service.store import driver, log, revision
from service.store.driver import sqlite3
from service.store.lock import WriteLock
from service.store.migrations import migrate

LIVE = (
    "{path} is in use: the service has it open, or a backup is being made of it. Stop the service"
    " (docker compose stop service), then restore again. Nothing was changed."
)
SCRATCH = ".restore-"

# Where SQLite locks a database file (sqlite.org/fileformat2.html, "the lock-byte page"): every connection that uses a
# write-ahead log holds a shared lock on these bytes for as long as it is open.
SHARED_FIRST, SHARED_SIZE = 0x40000000 + 2, 510


@dataclass(frozen=True, slots=True)
class Restored:
    contents: Contents
    migrated_from: str | None
    aside: Path | None  # where the database is that stood there before


def restored(source: BinaryIO, target: Path, stop: Stop) -> Contents:
    """A backup as a database again, and what is in it: how it is verified, and how it is restored.
    Raises `Unsound`, `OSError`, or `Stopped`."""
    archive.extract(source, target, stop)
    return inspection.inspect(target, stop)


def restore(source: BinaryIO, database: Path, stop: Stop, *, now: float | None = None) -> Restored:
    """Raises `Refused`, `Unsound`, `OSError`, or `Stopped`; then the database is as it was."""
    database = database.resolve()
    database.parent.mkdir(parents=True, exist_ok=True)
    with WriteLock(database) as lock:
        with lock.held():
            _require_unused(database)  # said before the work; what counts is the look below
        with archive.partial(database.parent, SCRATCH) as folder:
            made = folder / database.name
            contents = restored(source, made, stop)
            before = contents.revision if revision.is_behind(contents.revision) else None
            _bring_up_to_date(made)
            stop.check()
            with lock.held():
                aside = _keep_aside(database, lock, time.time() if now is None else now)
                archive.publish(made, database)
                lock.remember(())  # the numbers of files that are gone: new ones may get them again
    return Restored(contents, before, aside)


def _bring_up_to_date(made: Path) -> None:
    """Also when it is: afterwards it has the journal mode that the service wants."""
    try:
        migrate(made)
    except StorageUnavailable as problem:
        raise Unsound(f"it cannot be brought to schema revision {revision.REVISION}: {problem}") from problem


def _keep_aside(database: Path, lock: WriteLock, now: float) -> Path | None:
    """A second name for the database that stands there, with all that its log holds. Called under the lock: nobody
    opens it meanwhile."""
    _require_unused(database)
    log.set_aside_foreign(database, lock)
    aside = database.with_name(f"{database.name}.replaced-{datetime.fromtimestamp(now, UTC):{archive.TIME}}")
    left, kept_log = Path(f"{database}-wal"), Path(f"{aside}-wal")
    if left.exists():
        kept_log.hardlink_to(left)  # first: SQLite deletes the log of a file that it cannot read
    try:
        if database.exists():
            if _write_log_into(database):
                kept_log.unlink(missing_ok=True)
            aside.hardlink_to(database)
    except BaseException:
        kept_log.unlink(missing_ok=True)
        raise
    for name in (left, Path(f"{database}-shm")):  # else SQLite would replay them into the new one
        name.unlink(missing_ok=True)
    return next((path for path in (aside, kept_log) if path.exists()), None)


def _require_unused(database: Path) -> None:
    """By the lock's bytes, not by asking SQLite: it must also work for a file that is no database any more.
    Called before this process opens the database: closing any descriptor drops the process's locks on a file."""
    try:
        descriptor = os.open(database, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, SHARED_SIZE, SHARED_FIRST)
    except OSError as error:
        raise Refused(LIVE.format(path=database)) from error
    finally:
        os.close(descriptor)


def _write_log_into(database: Path) -> bool:
    """So that the one file is whole; False: it is damaged, and its log is needed beside it. Raises `Refused`."""
    try:
        connection = driver.connect(database, "rw")
        try:
            connection.execute("PRAGMA busy_timeout = 0")
            connection.execute("PRAGMA journal_mode = DELETE").fetchone()  # needs the file alone, and removes the log
        finally:
            connection.close()
    except sqlite3.Error as error:
        if driver.is_busy(error):
            raise Refused(LIVE.format(path=database)) from error
        if not driver.is_beyond_help(error):
            raise Refused(f"{database} cannot be kept aside: {driver.reason(error)}. Nothing was changed.") from error
        return False
    return True
