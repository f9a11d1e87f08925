"""A disk that is full, and one whose sync fails."""

import os
import re
from pathlib import Path
from typing import Any

from tests.faults.alone import SLOTS, WORKERS, alone
from tests.faults.experiment import Report, Run, experiment
from tests.faults.ledger import Outcome, now
from tests.waiting import wait_until_async

SMALL = Path("/small")
RULES = Path(__file__).parents[3] / "prometheus/rules/service.yml"
SHIM: dict[str, Any] = {"LD_PRELOAD": "/usr/local/lib/disk.so"}


@experiment("disk full", container=("--tmpfs", f"{SMALL}:size=32m,mode=1777"))
async def disk_full(run: Run) -> Report:
    """Something else fills the file system of the database, and is removed again."""
    times, recovery, reasons, free = run.pick(1, 5), [], [], []
    async with alone(run, SMALL) as service:
        async with service.load(rate=100).running() as load:
            for _ in range(times):
                await load.acknowledged(run.chance.randint(50, 150))
                filler = SMALL / "filler"
                _fill(filler)
                refused = load.count(Outcome.REFUSED)
                await wait_until_async(load.refused_more_than(refused + 50), "submissions are refused")
                reasons.append(await service.readiness())
                free.append(service.service.metric("disk_free_bytes"))
                read = await load.get(next(iter(service.ledger.acknowledged())))
                filler.unlink()
                freed = now()
                await load.acknowledged(1)
                recovery.append(now() - freed)
            await load.acknowledged(100)
        await service.all_ended()
        verdict = service.judge(duplicates_bound=0)
        report = Report(
            f"{times} x the file system filled and freed", verdict, max(recovery), "from space to the next 202"
        )
        report.expect(set(reasons) == {"disk full"}, f"readiness that says why (it says {reasons})")
        report.expect(read.outcome is Outcome.ACKNOWLEDGED, "a read that is answered meanwhile")
        report.expect(max(free) < _alerts_below(), f"disk_free_bytes below the alert's limit (it was {max(free):,.0f})")
        report.expect(len(service.service.worker_pids()) == WORKERS, "the same workers throughout: no restart")
        return report


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for size in (2**20, 4096, 512, 1):  # to the last byte
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue


def _alerts_below() -> float:
    """The limit of the alert DiskAlmostFull."""
    found = re.search(r"disk_free_bytes\) < (\S+)", RULES.read_text())
    assert found
    return float(found[1])


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
