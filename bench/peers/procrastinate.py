"""procrastinate: asyncio, on PostgreSQL.

Tuned: uvloop; psycopg in its compiled form; a pool of connections as large as the worker's concurrency can use; jobs
that succeeded are kept, which is its default and was no slower than deleting them.
"""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import uvloop
from fastapi import FastAPI
from procrastinate import App, PsycopgConnector

from bench.peers import work as jobs
from bench.peers.posting import Submit, posting
from bench.peers.servers import ADDRESS

POOL = 10  # connections a process; PostgreSQL takes 100


def _app() -> tuple[Any, Any]:
    """With its one task."""
    procrastinate = App(connector=PsycopgConnector(conninfo=os.environ[ADDRESS], min_size=POOL, max_size=POOL))
    return procrastinate, procrastinate.task(name="run")(jobs.run)


def prepare() -> None:
    async def apply() -> None:
        procrastinate, _ = _app()
        async with procrastinate.open_async():
            await procrastinate.schema_manager.apply_schema_async()

    uvloop.run(apply())


def app() -> FastAPI:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Submit]:
        procrastinate, task = _app()

        async def submit(kind: str, payload: Mapping[str, Any]) -> str:
            return str(await task.defer_async(kind=kind, payload=payload))

        async with procrastinate.open_async():
            yield submit

    return posting(opened)


def queue(kind: str, count: int) -> None:
    async def fill() -> None:
        procrastinate, task = _app()
        async with procrastinate.open_async():
            await task.batch_defer_async(*({"kind": kind, "payload": {"number": n}} for n in range(count)))

    uvloop.run(fill())


def work(concurrency: int) -> None:
    async def serve() -> None:
        procrastinate, _ = _app()
        async with procrastinate.open_async():
            await procrastinate.run_worker_async(concurrency=concurrency)

    uvloop.run(serve())


def known() -> int:
    with psycopg.connect(os.environ[ADDRESS]) as connection:
        query = "SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"
        found = connection.execute(query).fetchone()
    return int(found[0]) if found else 0
