"""arq: asyncio, on Redis.

Tuned: uvloop and hiredis; `poll_delay` 10 ms instead of 0.5 s; many jobs at a time; no results kept; no logging.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import uvloop
from arq import Worker, create_pool
from arq.connections import RedisSettings
from arq.constants import default_queue_name
from fastapi import FastAPI

from bench.peers import work as jobs
from bench.peers.posting import Submit, posting
from bench.peers.servers import ADDRESS

TOGETHER = 50  # submissions at a time, in bulk


def prepare() -> None: ...


def app() -> FastAPI:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Submit]:
        pool = await create_pool(_settings())

        async def submit(kind: str, payload: Mapping[str, Any]) -> str:
            job = await pool.enqueue_job("run", kind, payload)
            return str(job.job_id)

        yield submit
        await pool.aclose()

    return posting(opened)


def queue(kind: str, count: int) -> None:
    async def fill() -> None:
        pool = await create_pool(_settings())
        for first in range(0, count, TOGETHER):
            numbers = range(first, min(first + TOGETHER, count))
            await asyncio.gather(*(pool.enqueue_job("run", kind, {"number": number}) for number in numbers))
        await pool.aclose()

    uvloop.run(fill())


async def run(_: dict[str, Any], kind: str, payload: Mapping[str, Any]) -> None:
    await jobs.run(kind, payload)


def work(concurrency: int) -> None:
    asyncio.set_event_loop(uvloop.new_event_loop())
    Worker([run], redis_settings=_settings(), max_jobs=concurrency, poll_delay=0.01, keep_result=0).run()


def known() -> int:
    """A job leaves the queue's sorted set when it has ended."""

    async def count() -> int:
        pool = await create_pool(_settings())
        return int(await pool.zcard(default_queue_name))

    return uvloop.run(count())


def _settings() -> RedisSettings:
    return RedisSettings.from_dsn(os.environ[ADDRESS])
