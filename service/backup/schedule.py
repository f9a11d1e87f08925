"""When the next backup is due, and the loop that makes it."""

import logging
import time

from service.backup.round import Round
from service.backup.stop import Stop, Stopped
from service.telemetry.backup import BackupTelemetry

FIRST_RETRY_SECONDS = 60.0


def repeat(a_round: Round, interval_seconds: float, stop: Stop, telemetry: BackupTelemetry) -> None:
    """Until `Stopped`. Whatever fails is tried again: the process never ends by itself."""
    failures, copy_failures = 0, 0
    while True:
        try:
            # First of all, as after a restart nobody knows what is there.
            copy_failures = 0 if a_round.copy_off() else copy_failures + 1
            due = seconds_to_next(time.time(), a_round.newest(), interval_seconds, failures)
            pause = min(due, retry_seconds(interval_seconds, copy_failures)) if copy_failures else due
            stop.sleep(pause)
            if pause == due:
                failures = 0 if a_round.run() else failures + 1
        except Stopped:
            raise
        except Exception as error:  # a defect must not end the backups
            failures += 1
            telemetry.failed("defect")
            telemetry.event("backup_crashed", logging.ERROR, error=error)
            stop.sleep(retry_seconds(interval_seconds, failures))


def seconds_to_next(now: float, newest: float | None, interval_seconds: float, failures: int) -> float:
    """`newest`: when the newest verified backup was taken; `failures`: since then, one after the other."""
    if failures:
        return retry_seconds(interval_seconds, failures)
    if newest is None:
        return 0.0
    return min(interval_seconds, max(0.0, newest + interval_seconds - now))  # also when the clock was set back


def retry_seconds(interval_seconds: float, failures: int) -> float:
    """A minute, two, four and so on, at most the interval."""
    return min(interval_seconds, FIRST_RETRY_SECONDS * 2.0 ** min(failures - 1, 30))
