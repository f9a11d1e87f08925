"""How long a submission waits for the disk at a given rate: an open loop over the store itself, four processes on one
file. A submission that comes late because the one before was slow counts from when it should have come.

    python -m bench.acknowledge [ROUNDS]
"""

import asyncio
import multiprocessing
import random
import sys
import tempfile
import time
from pathlib import Path

from bench.figures import Figure, Part, in_rounds
from bench.jobs import new_job
from bench.running import MAX_QUEUED
from service.store.migrations import migrate
from service.store.sqlite import open_sqlite_store

PROCESSES = 4
RATE = 1500.0  # submissions/s, of all processes
SECONDS = 10.0


def acknowledge(rounds: int, seconds: float = SECONDS) -> Part:
    def measured() -> str:
        waits = sorted(_waits(seconds))
        for name, share in shares.items():
            found[name].append(waits[min(len(waits) - 1, int(share * len(waits)))])
        counts.append(len(waits))
        return "   ".join(f"{name} {values[-1]:.2f} ms" for name, values in found.items())

    shares = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999, "worst": 1.0}
    goals = {"p99.9": "≤ 10", "worst": "≤ 100"}
    found: dict[str, list[float]] = {name: [] for name in shares}
    counts: list[int] = []
    in_rounds({f"{RATE:,.0f}/s": measured}, rounds)
    figures = [Figure(f"acknowledged, {name}", "ms", values, goals.get(name, "")) for name, values in found.items()]
    how = (
        f"{RATE:,.0f} submissions/s for {seconds:g} s, at random moments (a Poisson process), from {PROCESSES} "
        "processes into one file, synchronous=FULL; from the moment due to the acknowledgement."
    )
    return Part("acknowledge", "The store's acknowledgement, open loop", how, figures, {"submissions": counts})


def _waits(seconds: float) -> list[float]:
    """Milliseconds, of all submissions of all processes."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        database = Path(folder, "jobs.db")
        migrate(database)
        context = multiprocessing.get_context("spawn")
        with context.Pool(PROCESSES) as pool:
            start_at = time.time() + 3.0  # when all have started
            given = [(database, start_at, seconds, number) for number in range(PROCESSES)]
            return [wait for waits in pool.starmap(_submit, given) for wait in waits]


def _submit(database: Path, start_at: float, seconds: float, number: int) -> list[float]:
    return asyncio.run(_submitting(database, start_at, seconds, random.Random(number)))  # noqa: S311  arrivals, no secrets


async def _submitting(database: Path, start_at: float, seconds: float, chance: random.Random) -> list[float]:
    waits: list[float] = []

    async def submit(due: float) -> None:
        await store.add(new_job("noop", {"n": 1}))
        waits.append((time.monotonic() - due) * 1000)

    async with (
        open_sqlite_store(database, max_queued=MAX_QUEUED, runtime_dir=database.parent / "run") as store,
        asyncio.TaskGroup() as tasks,
    ):
        due = begin = time.monotonic() + start_at - time.time()
        while (due := due + chance.expovariate(RATE / PROCESSES)) < begin + seconds:
            if (early := due - time.monotonic()) > 0:
                await asyncio.sleep(early)
            tasks.create_task(submit(due))
    return waits


if __name__ == "__main__":
    print(acknowledge(int(sys.argv[1]) if len(sys.argv) > 1 else 5).table())
