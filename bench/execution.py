"""How fast jobs are run: posted over HTTP and finished, by four workers that share two cores with the load; and how
soon one job starts when nothing else happens, in the process that took it and in another.

    python -m bench.execution [ROUNDS]        needs wrk. (The drain by one process is `python -m bench.peers drain`.)
"""

import json
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack, closing
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.figures import Figure, Part, in_rounds
from bench.jobs import jobs_in
from bench.running import CONNECTIONS, Target, posting, running, service, wrk
from service.store import driver

LOAD_SECONDS = 8.0
IDLE_JOBS = 300


def execution(rounds: int, seconds: float = LOAD_SECONDS, idle_jobs: int = IDLE_JOBS) -> Part:
    def idle(name: str, **settings: object) -> str:
        waits = sorted(_idle_waits(idle_jobs, **settings))
        found[name].append(waits[int(0.99 * len(waits))])
        return f"p50 {waits[len(waits) // 2]:.2f} ms   p99 {found[name][-1]:.2f} ms"

    def posted() -> str:
        rate, running_behind = _posted_and_finished(seconds)
        found["finished"].append(rate)
        behind.append(running_behind)
        return f"{rate:,.0f} jobs/s   {running_behind:,} queued when the load ended"

    found: dict[str, list[float]] = {"finished": [], "same": [], "other": []}
    behind: list[int] = []
    subjects = {
        "posted and finished": posted,
        "idle, same process": lambda: idle("same"),
        "idle, another process": lambda: idle("other", job_concurrency=0),
    }
    in_rounds(subjects, rounds)
    figures = [
        Figure("posted over HTTP and finished, 4 workers", "jobs/s", found["finished"], "≥ 1500"),
        Figure("submit to start when idle, same process, p99", "ms", found["same"], "≤ 5"),
        Figure("submit to start when idle, another process, p99", "ms", found["other"], "≤ 20"),
    ]
    how = (
        f"{CONNECTIONS} connections post no-op jobs for {seconds:g} s, 10 % traced; jobs ended over the time from the "
        f"first post to the last end.\nIdle: {idle_jobs} jobs, one at a time, from the submission to the handler's "
        "first line."
    )
    return Part("execution", "Execution", how, figures, {"queued when the load ended": behind})


def _noop(name: str, **settings: object) -> Target:
    return service(name, "bench.noop", trace_sample_ratio=0.1, **settings)


def _posted_and_finished(seconds: float) -> tuple[float, int]:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        (folder / "submit.lua").write_text(posting('{"kind": "noop"}'))
        with (
            running(_noop("posted"), folder) as server,
            closing(driver.connect(folder / "jobs.db", "ro")) as database,
        ):
            server.workers(4)
            started = time.monotonic()
            wrk(server.port, folder / "submit.lua", seconds, CONNECTIONS)
            behind = left = jobs_in(database, "queued", "running")
            while left:
                time.sleep(0.05)
                left = jobs_in(database, "queued", "running")
            elapsed = time.monotonic() - started
            finished = jobs_in(database, "succeeded")
    return finished / elapsed, behind


def _idle_waits(jobs: int, **settings: Any) -> Sequence[float]:
    """Milliseconds. One process that serves HTTP and works; or that only serves, and a second that works: both on one
    database, as the four workers of the service are."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name, ExitStack() as stack:
        folder = Path(name)
        shared = {"workers": 1, "database_url": f"sqlite:///{folder}/jobs.db", "runtime_dir": f"{folder}/run"}
        server = stack.enter_context(running(_noop("api", **shared, **settings), folder))
        if settings:
            (folder / "worker").mkdir()
            stack.enter_context(running(_noop("worker", **shared), folder / "worker")).workers(1)
        server.workers(1)
        return [_wait(server.port) for _ in range(jobs)]


def _wait(port: int) -> float:
    headers = {"Authorization": "Bearer dev-key", "Content-Type": "application/json", "Prefer": "wait=10"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/jobs", b'{"kind": "stamp"}', headers)
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  our own server
        job = json.load(answer)
    if job["state"] != "succeeded":
        raise SystemExit(f"a job did not end in time: {job}")
    return float((job["result"] - datetime.fromisoformat(job["created_at"]).timestamp()) * 1000)


if __name__ == "__main__":
    print(execution(int(sys.argv[1]) if len(sys.argv) > 1 else 5).table())
