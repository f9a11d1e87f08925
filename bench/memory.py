"""Whether a worker's memory stays flat: one process runs very many jobs, and its resident size is read as it goes."""

import asyncio
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from bench.figures import Figure, Part
from bench.process import resident_mib
from bench.running import running, service
from service.domain.job import Job
from service.domain.queue import new_id
from service.store import driver
from service.store.migrations import migrate
from service.store.sqlite import open_sqlite_store

WAVE = 500
WARM_SHARE = 0.25  # of the jobs: by then every cache and pool has its size
SAMPLES = 20


def memory(jobs: int) -> Part:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        migrate(folder / "jobs.db")
        asyncio.run(_queue(folder / "jobs.db", jobs))
        target = service("noop", workers=1, trace_sample_ratio=0.1)
        with running(replace(target, command=[*target.command[:-1], "bench.noop"]), folder) as server:
            sizes = _sizes(folder / "jobs.db", server.workers(1)[0], jobs)
    warm, last = next(each for each in sizes if each >= jobs * WARM_SHARE), max(sizes)
    growth = sizes[last] - sizes[warm]
    figures = [
        Figure(f"resident after {warm:,} jobs", "MiB", [sizes[warm]]),
        Figure(f"resident after {last:,} jobs", "MiB", [sizes[last]]),
        Figure("growth in between", "MiB", [growth]),
        Figure("growth in between", "%", [100 * growth / sizes[warm]], "≤ 5"),
    ]
    how = f"One worker process runs {jobs:,} jobs that do nothing, all queued before it starts; its VmRSS."
    facts = {"resident_mib_by_jobs": {f"{count}": round(size, 1) for count, size in sizes.items()}}
    return Part("memory", "A worker's memory over many jobs", how, figures, facts)


async def _queue(path: Path, jobs: int) -> None:
    now = time.time()
    one = Job(id="", kind="noop", payload={}, user_id="dev", created_at=now, run_at=now, runnable_at=now)
    async with open_sqlite_store(path, max_queued=jobs) as store:
        for start in range(0, jobs, WAVE):
            wave = range(start, min(start + WAVE, jobs))
            await asyncio.gather(*(store.add(replace(one, id=new_id(now))) for _ in wave))
    print(f"  {jobs:,} jobs queued", flush=True)


def _sizes(path: Path, worker: int, jobs: int) -> dict[int, float]:
    """MiB by the number of jobs that have ended."""
    sizes: dict[int, float] = {}
    started, ended = time.monotonic(), 0
    with closing(driver.connect(path, "ro")) as connection:
        while ended < jobs:
            (ended,) = connection.execute("SELECT jobs FROM counter WHERE state = 'succeeded'").fetchone()
            size = resident_mib(worker)  # each time: a worker that died ends the bench, too
            if ended * SAMPLES >= len(sizes) * jobs:
                sizes[ended] = size
                print(f"  {ended:,} jobs in {time.monotonic() - started:.0f} s: {sizes[ended]:.1f} MiB", flush=True)
            time.sleep(0.1)
    return sizes
