"""A reader that keeps an old view of the database open: the log cannot start again from its beginning meanwhile, and
grows with each commit."""

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

from service.store.database import LOG_LIMIT_BYTES
from tests.faults.alone import LONG_LEASE, alone
from tests.faults.experiment import Report, Run, experiment
from tests.faults.kinds import LOG_MOST_BYTES
from tests.faults.ledger import Outcome
from tests.waiting import wait_until_async

SLACK_BYTES = 16 * 2**20  # jobs taken before the limit are still run and recorded


@experiment("checkpoints starved")
async def checkpoints_starved(run: Run) -> Report:
    limit = run.pick(32, 256) * 2**20
    settings: dict[str, Any] = {LOG_MOST_BYTES: limit} | LONG_LEASE
    async with alone(run, **settings) as service:
        log = Path(f"{service.database}-wal")

        async def not_ready() -> str:
            return "" if (said := await service.readiness()) == "ok" else said

        async with service.load(rate=200, work_seconds=0.01).running() as load:
            await load.acknowledged(100)
            with contextlib.closing(sqlite3.connect(f"file:{service.database}?mode=ro", uri=True)) as reader:
                reader.execute("BEGIN")
                reader.execute("SELECT count(*) FROM job").fetchone()
                reason = await wait_until_async(not_ready, "no more jobs are taken", bound_seconds=300)
                known = next(iter(service.ledger.acknowledged()))
                read = await load.get(known)
                refused = load.count(Outcome.REFUSED)
                await wait_until_async(load.refused_more_than(refused + 50), "submissions are refused")
                most = _size(log)
            await load.acknowledged(400)
            await wait_until_async(lambda: _at_most(log, LOG_LIMIT_BYTES), "the log is cut back")
        await service.all_ended()
        verdict = service.judge(duplicates_bound=0)
        report = Report(f"a reader that never lets go; the log may have {limit >> 20} MiB", verdict)
        report.expect("write-ahead log is full" in reason, f"readiness that says why (it says {reason!r})")
        report.expect(read.outcome is Outcome.ACKNOWLEDGED, "a read that is answered meanwhile")
        report.expect(most < limit + SLACK_BYTES, f"a log within its bound (it had {most >> 20} MiB)")
        return report


async def _at_most(log: Path, size: int) -> bool:
    return _size(log) <= size


def _size(log: Path) -> int:
    return log.stat().st_size
