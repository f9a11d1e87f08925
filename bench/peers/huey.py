"""huey on SQLite: threads that take one job at a time from a file.

Tuned: the write-ahead log (its default) with fsync on, as a 202 must be durable; no results stored; polling every 10 ms
while idle; no periodic tasks; no logging.
"""

import os
from collections.abc import Mapping
from functools import cache
from typing import Any

from fastapi import FastAPI
from huey import SqliteHuey

from bench.peers import work as jobs
from bench.peers.posting import posting_blocking
from bench.peers.servers import ADDRESS


@cache
def _huey(*, fsync: bool = True) -> tuple[Any, Any]:
    """With its one task. A long busy timeout: four processes and their threads write to one file."""
    huey = SqliteHuey(filename=os.environ[ADDRESS], fsync=fsync, timeout=30, results=False)
    return huey, huey.task(name="run")(jobs.run_blocking)


def _put(kind: str, payload: Mapping[str, Any], *, fsync: bool = True) -> str:
    huey, task = _huey(fsync=fsync)
    job = task.s(kind, payload)
    huey.enqueue(job)
    return str(job.id)


def prepare() -> None:
    _huey()


def app() -> FastAPI:
    _huey()  # before the threads ask for it
    return posting_blocking(_put)


def queue(kind: str, count: int) -> None:
    """Without fsync: this is not measured, and takes a while."""
    for number in range(count):
        _put(kind, {"number": number}, fsync=False)


def work(concurrency: int) -> None:
    huey, _ = _huey()
    huey.create_consumer(workers=concurrency, initial_delay=0.01, max_delay=0.01, periodic=False).run()


def known() -> int:
    huey, _ = _huey()
    return int(huey.pending_count() + huey.scheduled_count())
