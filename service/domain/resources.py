"""What handlers share within one process: an HTTP client, a process pool. Made at first use, closed with the worker."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Self, cast

from service.domain.ports import Resource

CLOSE_SECONDS = 3.0  # a resource that hangs at its end must not hold up the stop


class SharedResources:
    """The implementation of `ports.Shared`; a factory is its resource's identity."""

    def __init__(self) -> None:
        self._made: dict[Any, asyncio.Task[Any]] = {}
        self._stack = AsyncExitStack()

    async def __call__(self, factory: Callable[[], AbstractAsyncContextManager[Resource]]) -> Resource:
        making = self._made.get(factory)
        if making is None or (making.done() and (making.cancelled() or making.exception())):
            making = self._made[factory] = asyncio.create_task(self._stack.enter_async_context(factory()))
        # Shielded: an attempt that is cancelled while it waits must not cancel the resource of the others.
        return cast("Resource", await asyncio.shield(making))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._stack.aclose()
        except TimeoutError:
            return
