"""This service with everything on: one worker process with its API, a tenth of the jobs traced, a JSON log."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from secrets import token_hex
from typing import Any
from unittest.mock import patch

from fastapi import FastAPI
from pydantic import BaseModel

from bench.jobs import fill, jobs_in, new_job
from bench.peers import work as jobs
from bench.peers.posting import Submit, posting
from bench.peers.servers import ADDRESS
from bench.running import MAX_QUEUED
from service import asgi, handlers
from service.domain.job import Job
from service.domain.ports import Context, Kind
from service.settings import Settings
from service.store import driver
from service.store.migrations import migrate
from service.store.sqlite import open_sqlite_store


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
                job = new_job(kind, dict(payload))
                await store.add(job)
                return job.id

            yield submit

    return posting(opened)


def queue(kind: str, count: int) -> None:
    asyncio.run(fill(Path(os.environ[ADDRESS]), count, lambda number: _job(kind, number)))


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
    with closing(driver.connect(Path(os.environ[ADDRESS]), "ro")) as database:
        return jobs_in(database, "queued", "running")


def _kind(name: str) -> Kind:
    async def handler(payload: Mapping[str, Any], _: Context) -> None:
        await jobs.run(name, payload)

    return Kind(name=name, payload=Payload, handler=handler)


def _job(kind: str, number: int) -> Job:
    """As a submission over HTTP makes it: with the trace of its request, one in ten of them sampled."""
    trace_id = token_hex(16)
    traceparent = f"00-{trace_id}-{token_hex(8)}-{'01' if number % 10 == 0 else '00'}"
    return new_job(kind, {"number": number}, request_id=token_hex(16), trace_id=trace_id, traceparent=traceparent)
