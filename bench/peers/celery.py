"""Celery: processes, on Redis, acknowledging late: a job leaves the queue when it has ended.

Tuned: hiredis; prefork with 2 processes (1 or 4, threads, and a longer prefetch did not do more on two cores; the
solo pool a little, but it runs one job at a time); results ignored; no gossip, mingle or heartbeats between workers.
"""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from celery import Celery
from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from redis import Redis

from bench.peers import work as jobs
from bench.peers.posting import Submit, posting
from bench.peers.servers import ADDRESS


@cache
def _celery() -> tuple[Any, Any]:
    """With its one task."""
    celery = Celery("bench", broker=os.environ[ADDRESS])
    celery.conf.update(task_acks_late=True, task_ignore_result=True, broker_pool_limit=40)
    return celery, celery.task(name="run")(jobs.run_blocking)


def prepare() -> None: ...


def app() -> FastAPI:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Submit]:
        _, run = _celery()

        async def submit(kind: str, payload: Mapping[str, Any]) -> str:
            return str((await run_in_threadpool(run.delay, kind, payload)).id)

        yield submit

    return posting(opened)


def queue(kind: str, count: int) -> None:
    _, run = _celery()
    for number in range(count):
        run.delay(kind, {"number": number})


def work(concurrency: int) -> None:
    celery, _ = _celery()
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING")
    celery.worker_main(["worker", "--pool", "prefork", "--concurrency", str(concurrency), *quiet])


def known() -> int:
    """Queued, and delivered but not acknowledged."""
    client = Redis.from_url(os.environ[ADDRESS])
    return int(client.llen("celery")) + int(client.hlen("unacked"))
