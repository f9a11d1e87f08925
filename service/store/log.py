"""Which database file the write-ahead log at the path belongs to, remembered in the lock file.

SQLite tells by the name alone: it replays the log beside a database into it, whoever wrote that log. After a database
was replaced that is another file's, and replaying it corrupts the new one.
"""

from pathlib import Path

from service.store.identity import Identity
from service.store.lock import WriteLock


def remember(path: Path, lock: WriteLock) -> None:
    """Note that the files now at the path belong together. Called under the lock, with the database open."""
    database, log, _ = Identity.at(path)
    if database and log:
        lock.remember((database[1], log[1]))


def set_aside_foreign(path: Path, lock: WriteLock) -> Path | None:
    """Take a log away that another database file left at the path. Called under the lock, before the database opens.

    An empty log is deleted. Another holds commits of a file that was taken away while no process could write them into
    it, so it is kept: returns its new name.
    """
    database, log, _ = Identity.at(path)
    known = lock.note()
    if database is None or log is None or len(known) != 2 or known[1] != log[1] or known[0] == database[1]:
        return None
    left = Path(f"{path}-wal")
    aside = None
    if left.stat().st_size:
        aside = left.rename(f"{left}.{log[1]}.orphan")
    else:
        left.unlink()
    Path(f"{path}-shm").unlink(missing_ok=True)
    return aside
