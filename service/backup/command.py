"""The commands `backup` and `restore`: settings, signals, and what is said at the end."""

import argparse
import logging
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from service.backup import archive, choice, restoration
from service.backup.endpoint import served
from service.backup.failure import STAGES, BackupFailed, Refused, Unsound
from service.backup.offsite import Offsite
from service.backup.restoration import Restored
from service.backup.round import Round
from service.backup.schedule import repeat
from service.backup.stop import Stop, Stopped
from service.settings import Settings, read_settings
from service.telemetry.backup import BackupTelemetry
from service.telemetry.logging import configure_logging


def backup(arguments: Sequence[str]) -> int:
    """On schedule until SIGTERM. `--once`: one now; exit 0 if it was verified, and copied where that is configured."""
    parser = argparse.ArgumentParser(prog="python -m service backup", add_help=False, allow_abbrev=False)
    parser.add_argument("--once", action="store_true")
    options, rest = parser.parse_known_args(arguments)
    settings, stop = _started(rest)
    telemetry = BackupTelemetry(
        stages=STAGES,
        interval_seconds=settings.backup_interval_seconds,
        has_remote=bool(settings.backup_remote),
        last_verified=lambda: a_round.newest() or 0.0,
    )
    a_round = Round(settings, telemetry, stop, _offsite(settings, stop))
    try:
        return _once(a_round) if options.once else _serve(settings, a_round, stop, telemetry)
    except Stopped:
        telemetry.event("backups_stopped")
        return 0


def restore(arguments: Sequence[str]) -> int:
    """Put a backup in the place of the database, which no process may have open."""
    parser = argparse.ArgumentParser(prog="python -m service restore", description=restore.__doc__, allow_abbrev=False)
    parser.add_argument("file", nargs="?", metavar="FILE", help="a path, a name, `newest`, or `-`; none: list them")
    parser.add_argument("--remote", action="store_true", help="from SERVICE_BACKUP_REMOTE: a name there, or `newest`")
    options, rest = parser.parse_known_args(arguments)
    settings, stop = _started(rest)
    offsite = _offsite(settings, stop) if options.remote else None
    try:
        if options.remote and offsite is None:
            raise Refused("SERVICE_BACKUP_REMOTE is empty: there is no place off this machine.")
        with choice.opened(options.file, settings.backup_dir, offsite) as (name, source):
            done = restoration.restore(source, settings.database_path, stop)
    except Unsound as problem:
        return _say_no(f"This cannot be restored: {problem}. The database is as it was.")
    except (Refused, BackupFailed) as problem:
        return _say_no(str(problem))
    except OSError as error:
        return _say_no(f"{error.filename or 'the disk'}: {error.strerror}. The database is as it was.")
    except Stopped:
        return _say_no("Stopped. The database is as it was.")
    _tell(name, done, settings.database_path)
    return 0


def _started(arguments: Sequence[str]) -> tuple[Settings, Stop]:
    settings = read_settings(arguments)
    configure_logging(format=settings.log_format, level=settings.log_level)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    stop = Stop()
    stop.listen()
    return settings, stop


def _offsite(settings: Settings, stop: Stop) -> Offsite | None:
    return Offsite(settings.backup_remote, settings.backup_rclone_file, stop) if settings.backup_remote else None


def _once(a_round: Round) -> int:
    made = a_round.run()
    if made is None:
        return 1
    copied = a_round.copy_off()
    print(made, flush=True)
    return 0 if copied else 1


def _serve(settings: Settings, a_round: Round, stop: Stop, telemetry: BackupTelemetry) -> int:
    interval = settings.backup_interval_seconds
    with ExitStack() as opened:
        try:
            port = opened.enter_context(served(settings.host, settings.port, telemetry.exposition))
        except OSError as error:
            return _say_no(f"cannot listen on {settings.host}:{settings.port}: {error.strerror}; choose another --port")
        telemetry.event("backups_scheduled", port=port, interval_seconds=interval, folder=str(settings.backup_dir))
        repeat(a_round, interval, stop, telemetry)
    return 0


def _tell(name: str, done: Restored, database: Path) -> None:
    contents, taken_at = done.contents, archive.time_of(name)
    print(f"restored {name}: {contents.jobs} jobs, {contents.attempts} attempts, newest job {contents.newest_job_id}")
    if taken_at is not None:
        print(f"taken {datetime.fromtimestamp(taken_at, UTC):%Y-%m-%d %H:%M:%S} UTC; what came after is not in it")
    if done.migrated_from:
        print(f"its schema was brought up to date, from revision {done.migrated_from}")
    if done.aside:
        print(f"what stood there before is kept: {done.aside}")
    print(f"{database} is ready: start the service (docker compose up --detach --wait)")


def _say_no(text: str) -> int:
    print(text, file=sys.stderr)
    return 1
