"""This service with everything on: one worker process with its API, a tenth of the jobs traced, a JSON log."""

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from secrets import token_hex
from typing import Any
from unittest.mock import patch

from fastapi import FastAPI
from pydantic import BaseModel

from bench.peers import work as jobs
from bench.peers.posting import Submit, posting
from bench.peers.servers import ADDRESS
from service import asgi, handlers
from service.domain.job import Job
from service.domain.ports import Context, Kind
from service.domain.queue import new_id
from service.settings import Settings
from service.store.migrations import migrate
from service.store.sqlite import open_sqlite_store

TOGETHER = 500  # submissions at a time, in bulk
MAX_QUEUED = 10_000_000


class Payload(BaseModel):
    number: int


def prepare() -> None:
    migrate(Path(os.environ[ADDRESS]))


def app() -> FastAPI:
    """Its queue behind the POST of all the others; `bench.peers.submission` starts `python -m service` beside it."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Submit]:
        path = Path(os.environ[ADDRESS])
        async with open_sqlite_store(path, max_queued=MAX_QUEUED, runtime_dir=path.parent / "run") as store:

            async def submit(kind: str, payload: Mapping[str, Any]) -> str:
                now = time.time()
                job_id = new_id(now)
                await store.add(
                    Job(
                        id=job_id,
                        kind=kind,
                        payload=payload,
                        user_id="dev",
                        created_at=now,
                        run_at=now,
                        runnable_at=now,
                    )
                )
                return job_id

            yield submit

    return posting(opened)


def queue(kind: str, count: int) -> None:
    async def fill() -> None:
        async with open_sqlite_store(Path(os.environ[ADDRESS]), max_queued=MAX_QUEUED) as store:
            for first in range(0, count, TOGETHER):
                numbers = range(first, min(first + TOGETHER, count))
                await asyncio.gather(*(store.add(_job(kind, number)) for number in numbers))

    asyncio.run(fill())


def work(concurrency: int) -> None:
    """`python -m service` with two more kinds."""
    from service.__main__ import main

    settings = {
        "database-url": f"sqlite:///{os.environ[ADDRESS]}",
        "port": 0,
        "workers": 1,
        "job-concurrency": concurrency,
        "trace-sample-ratio": 0.1,
        "log-format": "json",
        "max-queued": MAX_QUEUED,
    }
    with patch("service.__main__.application", application):
        main([word for name, value in settings.items() for word in (f"--{name}", str(value))])


def application(settings: Settings, traces_url: str | None) -> FastAPI:
    """It stands here because a spawned process finds it by this module's name."""
    kinds = {name: _kind(name) for name in (jobs.NOOP, jobs.NAP)}
    return asgi.application(settings, traces_url, handlers.discover() | kinds)


def known() -> int:
    with closing(sqlite3.connect(f"file:{os.environ[ADDRESS]}?mode=ro", uri=True)) as database:
        query = "SELECT sum(jobs) FROM counter WHERE state IN ('queued', 'running')"
        return int(database.execute(query).fetchone()[0])


def _kind(name: str) -> Kind:
    async def handler(payload: Mapping[str, Any], _: Context) -> None:
        await jobs.run(name, payload)

    return Kind(name=name, payload=Payload, handler=handler)


def _job(kind: str, number: int) -> Job:
    """As a submission over HTTP makes it: with the trace of its request, one in ten of them sampled."""
    now, trace_id = time.time(), token_hex(16)
    return Job(
        id=new_id(now),
        kind=kind,
        payload={"number": number},
        user_id="dev",
        created_at=now,
        run_at=now,
        runnable_at=now,
        request_id=token_hex(16),
        trace_id=trace_id,
        traceparent=f"00-{trace_id}-{token_hex(8)}-{'01' if number % 10 == 0 else '00'}",
    )
