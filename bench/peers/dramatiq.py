"""dramatiq: threads, on Redis.

Tuned: hiredis; one process with 32 threads, as each of them waits some milliseconds between two jobs: up to
32, more threads do more jobs, in proportion; 64 do no more. Its default middleware; no results kept.
"""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from dramatiq import actor, set_broker
from dramatiq.brokers.redis import RedisBroker
from dramatiq.cli import main, make_argument_parser
from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool

from bench.peers import work as jobs
from bench.peers.posting import Submit, posting
from bench.peers.servers import ADDRESS


@cache
def _broker() -> tuple[Any, Any]:
    """With its one actor."""
    broker = RedisBroker(url=os.environ[ADDRESS])
    set_broker(broker)
    return broker, actor(jobs.run_blocking, actor_name="run", broker=broker)


def broker() -> None:
    """What its command line calls, in the worker's process."""
    _broker()


def prepare() -> None: ...


def app() -> FastAPI:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Submit]:
        _, run = _broker()

        async def submit(kind: str, payload: Mapping[str, Any]) -> str:
            return str((await run_in_threadpool(run.send, kind, payload)).message_id)

        yield submit

    return posting(opened)


def queue(kind: str, count: int) -> None:
    _, run = _broker()
    for number in range(count):
        run.send(kind, {"number": number})


def work(concurrency: int) -> None:
    words = [f"{__name__}:broker", "--processes", "1", "--threads", str(concurrency)]
    main(make_argument_parser().parse_args(words))


def known() -> int:
    """A message leaves the hash when it is acknowledged."""
    broker, _ = _broker()
    return int(broker.client.hlen("dramatiq:default.msgs"))
