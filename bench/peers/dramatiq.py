"""dramatiq: threads, on Redis.

Tuned: hiredis; one process with 32 threads, as each of them waits some milliseconds between two jobs: up to
32, more threads do more jobs, in proportion; 64 do no more. Its default middleware; no results kept.
"""

import os
from collections.abc import Mapping
from functools import cache
from typing import Any

from dramatiq import actor, set_broker
from dramatiq.brokers.redis import RedisBroker
from dramatiq.cli import main, make_argument_parser
from fastapi import FastAPI

from bench.peers import work as jobs
from bench.peers.posting import posting_blocking
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


def _put(kind: str, payload: Mapping[str, Any]) -> str:
    _, run = _broker()
    return str(run.send(kind, payload).message_id)


def app() -> FastAPI:
    _broker()  # before the threads ask for it
    return posting_blocking(_put)


def queue(kind: str, count: int) -> None:
    for number in range(count):
        _put(kind, {"number": number})


def work(concurrency: int) -> None:
    words = [f"{__name__}:broker", "--processes", "1", "--threads", str(concurrency)]
    main(make_argument_parser().parse_args(words))


def known() -> int:
    """A message leaves the hash when it is acknowledged."""
    broker, _ = _broker()
    return int(broker.client.hlen("dramatiq:default.msgs"))
