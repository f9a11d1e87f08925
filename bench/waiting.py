"""What thousands of clients that wait, by event streams or by long polls, cost four workers: memory, the latency of
submissions meanwhile, and how long it takes until the last of them is told that its job has ended.
"""

import asyncio
import multiprocessing
import re
import resource
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from pathlib import Path

from bench.clients import connected, poll, steady, stream, waiting
from bench.figures import Figure, Part, in_rounds
from bench.process import cpu_seconds, open_files, resident_mib
from bench.running import FAR, Server, running, service

WORKERS = 4
JOBS = 100  # followed by all clients, the same number each
RATE = 100  # submissions a second
SPARE_FILES = 500
PATIENCE_SECONDS = 120.0

FIGURES = {
    "memory of the workers": ("KiB each", ""),
    "open files of one worker": ("", ""),
    "all connected after": ("s", ""),
    "submissions alone, p50": ("ms", ""),
    "submissions alone, p99": ("ms", ""),
    "submissions meanwhile, p50": ("ms", ""),
    "submissions meanwhile, p99": ("ms", "≤ 100"),
    "workers' CPU alone": ("cores", ""),
    "workers' CPU meanwhile": ("cores", ""),
    "told of the end": ("%", "≥ 100"),
    "last told after the first cancel": ("s", ""),
    "last told after the last cancel": ("s", ""),
}
"""Their units and goals."""


def streams(count: int, rounds: int, seconds: float = 15) -> Part:
    return _part("streams", "event streams", stream, count, rounds, seconds)


def polls(count: int, rounds: int, seconds: float = 15) -> Part:
    return _part("polls", "long polls", poll, count, rounds, seconds)


def _part(name: str, title: str, request: Callable[[str], bytes], count: int, rounds: int, seconds: float) -> Part:
    allow_files(count)
    found = in_rounds({title: lambda: _round(request, count, seconds)}, rounds)[title]
    figures = [Figure(key, unit, [each[key] for each in found], goal) for key, (unit, goal) in FIGURES.items()]
    how = (
        f"{count:,} {title} on {JOBS} jobs and {WORKERS} workers, cancelled in the end. Submissions: {RATE}/s for "
        f"{seconds:g} s from a process of its own, timed from when each was due; 10 % traced."
    )
    return Part(name, f"Many {title}", how, figures, {})


def _round(request: Callable[[str], bytes], count: int, seconds: float) -> dict[str, float]:
    target = service("workers", workers=WORKERS, trace_sample_ratio=0.1)
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        running(target, Path(folder)) as server,
        ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as other,
    ):
        return asyncio.run(_measure(server, other, request, count, seconds))


async def _measure(
    server: Server, other: Executor, request: Callable[[str], bytes], count: int, seconds: float
) -> dict[str, float]:
    found: dict[str, float] = {}
    loop, workers = asyncio.get_running_loop(), server.workers(WORKERS)

    async def submit(when: str) -> None:
        started, before = time.monotonic(), sum(map(cpu_seconds, workers))
        latencies = await loop.run_in_executor(other, steady, server.port, RATE, seconds)
        found[f"workers' CPU {when}"] = (sum(map(cpu_seconds, workers)) - before) / (time.monotonic() - started)
        for percent in (50, 99):
            found[f"submissions {when}, p{percent}"] = statistics.quantiles(latencies, n=100)[percent - 1]

    asking = await connected(server.port)
    jobs = [(await asking.post("/jobs", FAR))["id"] for _ in range(JOBS)]
    await loop.run_in_executor(other, steady, server.port, RATE, 2)  # so that all code has run once
    await submit("alone")

    before, started = sum(map(resident_mib, workers)), time.monotonic()
    waiters = await waiting(server.port, [request(jobs[number % JOBS]) for number in range(count)])
    while await asyncio.to_thread(in_flight, server.port) < count:  # noqa: ASYNC110  the server has no event to set here
        await asyncio.sleep(0.2)
    found["all connected after"] = time.monotonic() - started
    found["memory of the workers"] = (sum(map(resident_mib, workers)) - before) * 1024 / count
    found["open files of one worker"] = max(map(open_files, workers))
    await submit("meanwhile")

    started = time.monotonic()
    for job_id in jobs:
        await asking.post(f"/jobs/{job_id}/cancel")
    cancelled = time.monotonic()
    await asyncio.wait([waiter.told for waiter in waiters], timeout=PATIENCE_SECONDS)
    told = [when for waiter in waiters if waiter.told.done() and (when := waiter.told.result())]
    for waiter in waiters:
        waiter.transport.abort()
    last = max(told, default=started + PATIENCE_SECONDS)
    found["told of the end"] = 100 * len(told) / count
    found["last told after the first cancel"] = last - started
    found["last told after the last cancel"] = max(0.0, last - cancelled)
    return {name: round(value, 3) for name, value in found.items()}


def in_flight(port: int) -> int:
    """Requests, in all workers."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    return sum(int(float(each)) for each in re.findall(r"^http_requests_in_flight(?:{.*})? (\S+)", text, re.MULTILINE))


def allow_files(count: int) -> None:
    """For as many connections here; the servers allow themselves what they may."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < count + SPARE_FILES:
        raise SystemExit(f"{count:,} clients need as many open files; `ulimit -Hn` allows {most:,}")
    wanted = count + SPARE_FILES if most == resource.RLIM_INFINITY else most
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
