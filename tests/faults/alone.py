"""The service alone for an experiment: `python -m service` on this machine, four workers, a ledger around it."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from service.store.migrations import migrate
from tests.faults import checker
from tests.faults.checker import Verdict
from tests.faults.experiment import Run
from tests.faults.ledger import Ledger, Work, now, read_work
from tests.faults.load import Load
from tests.processes.running import RunningService
from tests.waiting import wait_until

WORKERS = 4
SLOTS = 16
LEASE_SECONDS = 2
END_SECONDS = 60  # within which every acknowledged job has ended, once the last fault is over


class Alone:
    def __init__(self, run: Run, **settings: Any) -> None:
        self.folder = run.folder
        self.ledger = Ledger()
        self._chance = run.chance
        migrate(run.folder / "jobs.db")
        values = {"workers": WORKERS, "job_concurrency": SLOTS, "lease_seconds": LEASE_SECONDS, "drain_seconds": 5}
        self.service = RunningService(
            run.folder, module="tests.faults.serve", FAULTS_FOLDER=str(run.folder), **(values | settings)
        )

    @property
    def database(self) -> Path:
        return self.service.database

    def load(self, *, rate: float, work_seconds: float = 0.05) -> Load:
        return Load(self.service.url, self.ledger, self._chance, rate=rate, work_seconds=work_seconds)

    def workers(self) -> list[int]:
        return [pid for pid in self.service.worker_pids() if is_alive(pid)]

    async def start(self) -> float:
        """Seconds until all is ready."""
        began = now()
        await asyncio.to_thread(self.service.start)
        return now() - began

    def kill(self) -> None:
        """All of it at once, as a machine does that loses its memory."""
        workers = self.workers()
        self.service.signal(signal.SIGKILL)
        for pid in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.service.wait()
        wait_until(lambda: not any(map(is_alive, workers)), "the killed workers are gone")

    async def all_ended(self) -> float:
        """Seconds until no job is queued or running."""
        began = now()
        await asyncio.to_thread(
            wait_until, lambda: checker.unfinished(self.database) == 0, "all jobs ended", bound_seconds=END_SECONDS
        )
        return now() - began

    def judge(self, *, duplicates_bound: int) -> Verdict:
        self.ledger.work = read_work(self.folder)
        self.ledger.write(self.folder / "ledger.jsonl")
        return checker.judge(self.ledger, checker.read(self.database), duplicates_bound=duplicates_bound)


@contextlib.asynccontextmanager
async def alone(run: Run, **settings: Any) -> AsyncIterator[Alone]:
    found = Alone(run, **settings)
    try:
        await found.start()
        yield found
    finally:
        await asyncio.to_thread(found.service.close)


def reruns(work: list[Work], deaths: dict[int, float]) -> list[float]:
    """Seconds from the death of a process (by its id) to the next start of each job that it had begun and not ended
    for good."""
    found = []
    starts = [each for each in work if each.event == "start"]
    by_job: dict[str, list[Work]] = {}
    for each in starts:
        by_job.setdefault(each.job_id, []).append(each)
    for of_job in by_job.values():
        for before, after in zip(of_job, of_job[1:], strict=False):
            died = deaths.get(int(before.owner.partition("-")[0]))
            if died is not None:
                found.append(after.at - died)
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
