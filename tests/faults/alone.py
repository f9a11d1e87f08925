"""The service alone for an experiment: `python -m service` on this machine, four workers, a ledger around it."""

import asyncio
import contextlib
import itertools
import os
import signal
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import httpx

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
LONG_LEASE: dict[str, Any] = {"lease_seconds": 10}  # where none may expire, also on a machine that is busy with more
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

    async def all_ended(self) -> None:
        """Returns once no job is queued or running."""
        await asyncio.to_thread(
            wait_until, lambda: checker.unfinished(self.database) == 0, "all jobs ended", bound_seconds=END_SECONDS
        )

    async def ended(self, job_id: str) -> None:
        await asyncio.to_thread(
            wait_until, lambda: self.service.stored()[job_id][0] in checker.TERMINAL, "the job ended", END_SECONDS
        )

    async def readiness(self) -> str:
        """`ok`, or what `/readyz` says of the database."""
        async with httpx.AsyncClient(base_url=self.service.url, trust_env=False) as client:
            answer = await client.get("/readyz")
        return str(answer.json()["checks"]["database"])

    def judge(self, *, duplicates_bound: int, clock_steps: bool = False) -> Verdict:
        self.ledger.work = read_work(self.folder)
        self.ledger.write(self.folder / "ledger.jsonl")
        return checker.judge(
            self.ledger, checker.read(self.database), duplicates_bound=duplicates_bound, clock_steps=clock_steps
        )


@contextlib.asynccontextmanager
async def alone(run: Run, **settings: Any) -> AsyncIterator[Alone]:
    found = Alone(run, **settings)
    try:
        await found.start()
        yield found
    finally:
        await asyncio.to_thread(found.service.close)


def reruns(work: list[Work], faults: Iterable[tuple[int, float]]) -> list[float]:
    """Seconds from a fault of a process (its id, and when) to the next start of each job that it had started before."""
    by_process: dict[int, list[float]] = defaultdict(list)
    for pid, at in faults:
        by_process[pid].append(at)
    by_job: dict[str, list[Work]] = defaultdict(list)
    for each in work:
        if each.event == "start":
            by_job[each.job_id].append(each)
    return [
        after.at - at
        for starts in by_job.values()
        for before, after in itertools.pairwise(starts)
        for at in by_process[before.pid]
        if before.at <= at <= after.at
    ]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
