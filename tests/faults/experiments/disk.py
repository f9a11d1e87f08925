"""A disk whose sync fails."""

import os
from pathlib import Path
from typing import Any

from tests.faults.alone import SLOTS, WORKERS, alone
from tests.faults.experiment import Report, Run, experiment
from tests.faults.ledger import now
from tests.waiting import wait_until_async

SHIM: dict[str, Any] = {"LD_PRELOAD": "/usr/local/lib/disk.so"}


@experiment("sync fails", container=())
async def sync_fails(run: Run) -> Report:
    """The n-th `fdatasync` of a process is answered with EIO."""
    times, recovery = run.pick(4, 20), []
    async with alone(run, **SHIM, FAULTS_DISK=str(run.folder)) as service:
        control = run.folder / "eio"
        async with service.load(rate=100).running() as load:
            for _ in range(times):
                await load.acknowledged(run.chance.randint(30, 100))
                place(control, str(run.chance.randint(0, 20)))
                await wait_until_async(lambda: _gone(control), "a sync failed")
                failed = now()
                await load.acknowledged(10)
                recovery.append(now() - failed)
            await load.acknowledged(100)
        await service.all_ended()
        verdict = service.judge(duplicates_bound=times * WORKERS * SLOTS)
        report = Report(f"{times} x EIO from an fdatasync", verdict, max(recovery), "from the failure to ten more 202")
        report.expect(service.service.lines("store_failed"), "a log line that says so")
        return report


async def _gone(path: Path) -> bool:
    return not os.path.lexists(path)  # noqa: ASYNC240


def place(control: Path, content: str) -> None:
    """At once: half a file would say something else."""
    new = control.with_suffix(".new")
    new.write_text(content)
    new.replace(control)
