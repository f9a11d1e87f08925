"""Which backups are kept: the newest ones, and the last one of each of the latest days that have any."""

from collections.abc import Collection

from service.backup.archive import NAME


def superfluous(names: Collection[str], keep_newest: int, keep_days: int) -> list[str]:
    """The names to delete, the oldest first; never the newest one. A file that is no backup is never named.

    Days are UTC's, and those without a backup do not count: after a long pause the old days stay until new ones come.
    """
    backups = sorted((name for name in names if NAME.fullmatch(name)), reverse=True)
    last_of_day: dict[str, str] = {}
    for name in backups:
        last_of_day.setdefault(name[5:13], name)
    kept = {*backups[: max(1, keep_newest)], *list(last_of_day.values())[:keep_days]}
    return [name for name in reversed(backups) if name not in kept]
