"""The kinds of the experiments: `ledger` writes down what it does, the others do harm."""

import asyncio
import json
import os
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pydantic

from service import handlers
from service.domain.ports import Context, Kind
from service.settings import Settings
from tests.faults.ledger import now

if TYPE_CHECKING:
    from fastapi import FastAPI

FOLDER = "FAULTS_FOLDER"
"""The variable that names where the handlers write."""

LOG_MOST_BYTES = "FAULTS_LOG_MOST_BYTES"
"""The variable with a smaller limit of the write-ahead log."""

HOG_BYTES = 64 * 2**20
OWNER = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"  # one process; a spawned one loads this module anew


class Payload(pydantic.BaseModel):
    seconds: float = 0.05


def _write(event: str, context: Context) -> None:
    line = {"event": event, "job_id": context.job_id, "attempt": context.attempt, "owner": OWNER, "at": now()}
    # One write, so that lines of several attempts do not mix, and none is half.
    with (Path(os.environ[FOLDER]) / f"work-{OWNER}.jsonl").open("ab", buffering=0) as file:
        file.write(json.dumps(line).encode() + b"\n")


async def ledger(payload: Mapping[str, Any], context: Context) -> str:
    _write("start", context)
    await asyncio.sleep(payload["seconds"])
    _write("finish", context)
    return OWNER


async def block(payload: Mapping[str, Any], context: Context) -> None:
    """Never lets the event loop go on."""
    _write("start", context)
    while True:
        time.sleep(60)  # noqa: ASYNC251  the very thing


async def hog(payload: Mapping[str, Any], context: Context) -> None:
    """Takes memory until the process is killed for it."""
    _write("start", context)
    taken = []
    while True:
        taken.append(os.urandom(1024) * (HOG_BYTES // 1024))
        await asyncio.sleep(0)


def kinds() -> dict[str, Kind]:
    def kind(run: Callable[..., Any]) -> Kind:
        return Kind(name=run.__name__, payload=Payload, handler=run)

    return {each.name: each for each in map(kind, (ledger, block, hog))}


def application(settings: Settings, traces_url: str | None) -> "FastAPI":
    """As in `service.asgi`; it stands here because a spawned process finds it by this module's name."""
    from service import asgi
    from service.store import database

    if limit := os.environ.get(LOG_MOST_BYTES):  # the real one takes minutes to reach
        database.LOG_MOST_BYTES = int(limit)
    return asgi.application(settings, traces_url, handlers.discover() | kinds())
