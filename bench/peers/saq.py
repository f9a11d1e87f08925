"""SAQ: asyncio, on Redis.

Tuned: uvloop and hiredis; many jobs at a time, and as many operations on Redis at a time (20 by default); nothing kept
of a job that has ended; no logging.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import uvloop
from fastapi import FastAPI
from saq import Queue, Worker

from bench.peers import work as jobs
from bench.peers.posting import Submit, posting
from bench.peers.servers import ADDRESS

TOGETHER = 50  # submissions at a time, in bulk
NOT_KEPT = -1


def prepare() -> None: ...


def app() -> FastAPI:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Submit]:
        queued = _queue()

        async def submit(kind: str, payload: Mapping[str, Any]) -> str:
            return str((await queued.enqueue("run", kind=kind, payload=payload, ttl=NOT_KEPT)).key)

        yield submit
        await queued.disconnect()

    return posting(opened)


def queue(kind: str, count: int) -> None:
    async def fill() -> None:
        queued = _queue()
        for first in range(0, count, TOGETHER):
            numbers = range(first, min(first + TOGETHER, count))
            one = (queued.enqueue("run", kind=kind, payload={"number": number}, ttl=NOT_KEPT) for number in numbers)
            await asyncio.gather(*one)
        await queued.disconnect()

    uvloop.run(fill())


async def run(_: dict[str, Any], *, kind: str, payload: Mapping[str, Any]) -> None:
    await jobs.run(kind, payload)


def work(concurrency: int) -> None:
    async def serve() -> None:
        await Worker(_queue(concurrency), [run], concurrency=concurrency).start()

    uvloop.run(serve())


def known() -> int:
    """Its "incomplete" are the queued, the scheduled and the active."""

    async def count() -> int:
        return int(await _queue().count("incomplete"))

    return uvloop.run(count())


def _queue(operations: int = TOGETHER) -> Any:
    return Queue.from_url(os.environ[ADDRESS], max_concurrent_ops=operations)
