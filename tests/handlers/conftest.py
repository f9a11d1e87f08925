"""What the worker gives a handler, and a receiver of webhooks on a real socket."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest

from service.domain.ports import Context

Resource = TypeVar("Resource")


class FakeShared:
    """`Shared` without a worker: made at first use, closed with the test."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._made: dict[Any, Any] = {}

    def give(self, factory: Callable[[], AbstractAsyncContextManager[Any]], resource: object) -> None:
        """Let `factory` be answered with `resource`."""
        self._made[factory] = resource

    async def __call__(self, factory: Callable[[], AbstractAsyncContextManager[Resource]]) -> Resource:
        if factory not in self._made:
            self._made[factory] = await self._stack.enter_async_context(factory())
        resource: Resource = self._made[factory]
        return resource


@pytest.fixture
async def shared() -> AsyncIterator[FakeShared]:
    async with AsyncExitStack() as stack:
        yield FakeShared(stack)


@pytest.fixture
def make_context(shared: FakeShared) -> Callable[..., Context]:
    def make(*, attempt: int = 1, timeout_seconds: float = 60.0, **options: Any) -> Context:
        return Context(
            job_id="0198c0de-0000-7000-8000-000000000001",
            attempt=attempt,
            max_attempts=5,
            timeout_seconds=timeout_seconds,
            shared=shared,
            options=options,
        )

    return make


Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Receiver:
    """An HTTP server that answers each request with the same bytes and keeps what it was sent."""

    port: int = 0
    answer: bytes | Answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    heads: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = int(head.partition("content-length: ")[2].partition("\r\n")[0] or 0)
                self.bodies.append(await reader.readexactly(length))
                self.heads.append(head)
                if isinstance(self.answer, bytes):
                    writer.write(self.answer)
                    await writer.drain()
                else:
                    await self.answer(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has gone
        finally:
            writer.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(receiver.serve(reader, writer)))

    async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
        receiver.port = server.sockets[0].getsockname()[1]
        yield receiver
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
