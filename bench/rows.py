"""What a submission, a claim and a finish cost in a database with a million finished jobs, beside a nearly empty one.

At the store, in this process: its CPU time then counts the writer's thread too, and little else.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.figures import Figure, Part, in_rounds, ratios
from bench.history import USERS, user_of
from bench.jobs import new_job
from service.domain.job import Job, Outcome, Settlement
from service.store.migrations import migrate
from service.store.sqlite import SqliteJobStore, open_sqlite_store

WAVE = 32  # submissions at once, as of 32 connections: they share a commit
SLOTS = 16  # of one worker: so many jobs a claim, and so many finishes at once
STEPS = ("submit", "claim", "finish")


@dataclass
class Costs:
    """Of each step, in µs a job."""

    jobs: int
    cpu: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STEPS, 0.0))
    wall: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STEPS, 0.0))

    @contextmanager
    def of(self, step: str) -> Iterator[None]:
        cpu, wall = time.process_time(), time.perf_counter()
        yield
        self.cpu[step] += (time.process_time() - cpu) / self.jobs * 1e6
        self.wall[step] += (time.perf_counter() - wall) / self.jobs * 1e6

    def __str__(self) -> str:
        return "   ".join(f"{step} {self.cpu[step]:.0f} µs CPU of {self.wall[step]:.0f}" for step in STEPS)


def rows(full: Path, jobs: int, rounds: int, per_round: int = 4096) -> Part:
    """`full` holds so many finished jobs; a nearly empty database is made beside it."""
    empty = full.with_name("empty.db")
    migrate(empty)
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()

        def subject(path: Path) -> Callable[[], Costs]:
            store = runner.run(stack.enter_async_context(open_sqlite_store(path)))
            runner.run(_costs(store, per_round // 4))  # reads the pages in, and runs all code once
            return lambda: runner.run(_costs(store, per_round))

        try:
            few, many = in_rounds({"few rows": subject(empty), "many rows": subject(full)}, rounds).values()
        finally:
            runner.run(stack.aclose())
    how = (
        f"{jobs:,} finished jobs of {len(USERS)} users beside a nearly empty database; the store alone. {WAVE} "
        f"submissions at once, then claims of {SLOTS} jobs, each followed by {SLOTS} finishes at once; "
        f"{per_round:,} jobs a round."
    )
    figures = [figure for step in STEPS for figure in _figures(step, few, many)]
    facts = {"database_mib": full.stat().st_size / 2**20}
    return Part("rows", "Submissions and claims beside many finished jobs", how, figures, facts)


def _figures(step: str, few: list[Costs], many: list[Costs]) -> list[Figure]:
    """CPU is judged. Wall time is mostly the disk's, and stands beside it."""
    cpu_few, cpu_many = ([costs.cpu[step] for costs in each] for each in (few, many))
    wall_few, wall_many = ([costs.wall[step] for costs in each] for each in (few, many))
    return [
        Figure(f"{step}, CPU: many rows to few", "times", ratios(cpu_many, cpu_few), "≤ 1.10"),
        Figure(f"{step}, wall: many rows to few", "times", ratios(wall_many, wall_few)),
        Figure(f"{step}, CPU: few rows", "µs", cpu_few),
        Figure(f"{step}, CPU: many rows", "µs", cpu_many),
    ]


async def _costs(store: SqliteJobStore, jobs: int) -> Costs:
    costs = Costs(jobs)
    for start in range(0, jobs, WAVE):
        wave = [_job(number) for number in range(start, start + WAVE)]
        with costs.of("submit"):
            await asyncio.gather(*map(store.add, wave))
    for _ in range(0, jobs, SLOTS):
        with costs.of("claim"):
            claimed = await store.claim("bench", SLOTS, lease_seconds=30, now=time.time())
        ends = [_end(job) for job in claimed.jobs]
        with costs.of("finish"):
            await asyncio.gather(*(store.finish("bench", end) for end in ends))
    return costs


def _job(number: int) -> Job:
    return new_job("sleep", {"seconds": 0.1, "fail_attempts": 0}, user_id=user_of(number))


def _end(job: Job) -> Settlement:
    return Settlement(
        job_id=job.id, run=job.run, outcome=Outcome.SUCCEEDED, finished_at=time.time(), result={"slept": 0.1}
    )
