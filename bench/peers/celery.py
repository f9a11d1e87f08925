"""Celery: processes, on Redis, acknowledging late: a job leaves the queue when it has ended.

Tuned: hiredis; prefork with 2 processes (1 or 4, threads, and a longer prefetch did not do more on two cores; the
solo pool a little, but it runs one job at a time); results ignored; no gossip, mingle or heartbeats between workers.
"""

import os
from collections.abc import Mapping
from functools import cache
from typing import Any

from celery import Celery
from fastapi import FastAPI
from redis import Redis

from bench.peers import work as jobs
from bench.peers.posting import posting_blocking
from bench.peers.servers import ADDRESS


@cache
def _celery() -> tuple[Any, Any]:
    """With its one task."""
    celery = Celery("bench", broker=os.environ[ADDRESS])
    celery.conf.update(task_acks_late=True, task_ignore_result=True, broker_pool_limit=40)
    return celery, celery.task(name="run")(jobs.run_blocking)


def prepare() -> None: ...


def _put(kind: str, payload: Mapping[str, Any]) -> str:
    _, run = _celery()
    return str(run.delay(kind, payload).id)


def app() -> FastAPI:
    _celery()  # before the threads ask for it
    return posting_blocking(_put)


def queue(kind: str, count: int) -> None:
    for number in range(count):
        _put(kind, {"number": number})


def work(concurrency: int) -> None:
    celery, _ = _celery()
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING")
    celery.worker_main(["worker", "--pool", "prefork", "--concurrency", str(concurrency), *quiet])


def known() -> int:
    """Queued, and delivered but not acknowledged."""
    client = Redis.from_url(os.environ[ADDRESS])
    return int(client.llen("celery")) + int(client.hlen("unacked"))
