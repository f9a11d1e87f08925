"""Whether a worker's memory stays flat: one process runs very many jobs, and its resident size is read as it goes."""

import asyncio
import tempfile
import time
from contextlib import closing
from pathlib import Path

from bench.figures import Figure, Part
from bench.jobs import fill, jobs_in, new_job
from bench.process import resident_mib
from bench.running import running, service
from service.store import driver
from service.store.migrations import migrate

WARM_SHARE = 0.25  # of the jobs: by then every cache and pool has its size
SAMPLES = 20


def memory(jobs: int) -> Part:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        migrate(folder / "jobs.db")
        asyncio.run(fill(folder / "jobs.db", jobs, lambda _: new_job("noop", {})))
        print(f"  {jobs:,} jobs queued", flush=True)
        with running(service("noop", "bench.noop", workers=1, trace_sample_ratio=0.1), folder) as server:
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


def _sizes(path: Path, worker: int, jobs: int) -> dict[int, float]:
    """MiB by the number of jobs that have ended."""
    sizes: dict[int, float] = {}
    started, ended = time.monotonic(), 0
    with closing(driver.connect(path, "ro")) as connection:
        while ended < jobs:
            ended = jobs_in(connection, "succeeded")
            size = resident_mib(worker)  # each time: a worker that died ends the bench, too
            if ended * SAMPLES >= len(sizes) * jobs:
                sizes[ended] = size
                print(f"  {ended:,} jobs in {time.monotonic() - started:.0f} s: {sizes[ended]:.1f} MiB", flush=True)
            time.sleep(0.1)
    return sizes
