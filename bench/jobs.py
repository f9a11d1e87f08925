"""Jobs for the benches: one made, many queued, and how many there still are."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.running import MAX_QUEUED
from service.domain.job import Job
from service.domain.queue import new_id
from service.store import driver
from service.store.sqlite import open_sqlite_store

TOGETHER = 500  # submissions at a time, in bulk


def new_job(kind: str, payload: dict[str, Any], **fields: Any) -> Job:
    """Submitted now, by the development key's user unless told."""
    now = time.time()
    given = {"user_id": "dev", "created_at": now, "run_at": now, "runnable_at": now, **fields}
    return Job(id=new_id(now), kind=kind, payload=payload, **given)


async def fill(path: Path, count: int, make: Callable[[int], Job]) -> None:
    """Queues `make(0)` and so on, in that order, by the store itself."""
    async with open_sqlite_store(path, max_queued=MAX_QUEUED) as store:
        for first in range(0, count, TOGETHER):
            numbers = range(first, min(first + TOGETHER, count))
            await asyncio.gather(*(store.add(make(number)) for number in numbers))


def jobs_in(database: driver.sqlite3.Connection, *states: str) -> int:
    marks = ", ".join("?" * len(states))
    query = f"SELECT coalesce(sum(jobs), 0) FROM counter WHERE state IN ({marks})"  # noqa: S608  question marks
    return int(database.execute(query, states).fetchone()[0])
