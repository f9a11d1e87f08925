"""Kinds that no service should have: each does one thing that a handler must not do.

What a test and a handler tell each other are files in the payload's `folder`: `go` and `release` are the test's,
`started` and `blocking` the handler's.
"""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pydantic

from service import handlers
from service.domain.ports import Context, Kind
from service.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

POLL_SECONDS = 0.02


class Payload(pydantic.BaseModel):
    folder: str = ""


async def gate(folder: Path, context: Context) -> None:
    """Waits as a handler should: the loop turns, and the slot is taken until the file `release` is there."""
    (folder / f"started-{context.job_id}").touch()
    await _until(lambda: (folder / "release").exists())


async def block(folder: Path, context: Context) -> None:
    """From the file `go` on, the event loop stands still until the file `release`."""
    await _until(lambda: (folder / "go").exists())
    (folder / "blocking").touch()
    while not (folder / "release").exists():
        time.sleep(POLL_SECONDS)  # noqa: ASYNC251  the very thing


async def block_forever(folder: Path, context: Context) -> None:
    await _until(lambda: (folder / "go").exists())
    while True:
        time.sleep(60)  # noqa: ASYNC251


async def kill(folder: Path, context: Context) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def exit_(folder: Path, context: Context) -> None:
    sys.exit(3)


async def swallow(folder: Path, context: Context) -> None:
    """Deaf to cancellation, for ever."""
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)


async def not_json(folder: Path, context: Context) -> Any:
    return object()


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  the other process has no event to set here
        await asyncio.sleep(POLL_SECONDS)


def extra_kinds() -> dict[str, Kind]:
    def kind(run: Callable[[Path, Context], Any]) -> Kind:
        async def handler(payload: Mapping[str, Any], context: Context) -> Any:
            return await run(Path(payload["folder"]), context)

        return Kind(name=run.__name__.rstrip("_"), payload=Payload, handler=handler)

    kinds = map(kind, (gate, block, block_forever, kill, exit_, swallow, not_json))
    return {each.name: each for each in kinds}


def application(settings: Settings, traces_url: str | None) -> "FastAPI":
    """As in `service.asgi`; it stands here because a spawned process finds it by this module's name."""
    from service import asgi

    return asgi.application(settings, traces_url, handlers.discover() | extra_kinds())
