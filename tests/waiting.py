"""Waiting for a condition, bounded: the one place where tests poll. A bound that runs out is a failure."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Found = TypeVar("Found")

BOUND_SECONDS = 60.0
POLL_SECONDS = 0.02


def wait_until(condition: Callable[[], Found], what: str, bound_seconds: float = BOUND_SECONDS) -> Found:
    """The first truthy value of `condition`."""
    deadline = time.monotonic() + bound_seconds
    pause = threading.Event()
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {bound_seconds:g} s: {what}")
        pause.wait(POLL_SECONDS)
    return found


async def wait_until_async(
    condition: Callable[[], Awaitable[Found]], what: str, bound_seconds: float = BOUND_SECONDS
) -> Found:
    async with asyncio.timeout(bound_seconds):
        while not (found := await condition()):  # noqa: ASYNC110  any condition, not only an event
            await asyncio.sleep(POLL_SECONDS)
    return found
