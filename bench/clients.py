"""Clients by the thousand in one process, so each is small: they wait for a job. And one that submits at a rate."""

import asyncio
import json
import re
import time
from collections.abc import Sequence
from typing import Any

from bench.running import FAR

HOST = "127.0.0.1"
KEY = "Host: localhost\r\nAuthorization: Bearer dev-key\r\n"
AT_ONCE = 200  # connections being made
LENGTH = re.compile(rb"content-length: (\d+)")


def stream(job_id: str) -> bytes:
    return f"GET /jobs/{job_id}/events HTTP/1.1\r\n{KEY}\r\n".encode()


def poll(job_id: str) -> bytes:
    """Waits as long as the service lets it."""
    return f"GET /jobs/{job_id} HTTP/1.1\r\n{KEY}Prefer: wait=30\r\n\r\n".encode()


class Waiter(asyncio.Protocol):
    """Follows a job until it is told that the job was cancelled. A poll that ran out is sent again."""

    def __init__(self, request: bytes) -> None:
        self.told = asyncio.get_running_loop().create_future()  # of when; None if the connection was lost before
        self._request = request
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self.transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._got += data
        if b'"cancelled"' in self._got:
            self._tell(time.monotonic())
        elif self._got.endswith(b"}"):  # a whole job, not an event
            self._got = b""
            self.transport.write(self._request)

    def connection_lost(self, _: Exception | None) -> None:
        self._tell(None)

    def _tell(self, when: float | None) -> None:
        if not self.told.done():
            self.told.set_result(when)


async def waiting(port: int, requests: Sequence[bytes]) -> list[Waiter]:
    """All connected, and their requests sent."""
    loop, found = asyncio.get_running_loop(), []
    for start in range(0, len(requests), AT_ONCE):
        group = [
            loop.create_connection(lambda each=request: Waiter(each), HOST, port)  # type: ignore[misc]
            for request in requests[start : start + AT_ONCE]
        ]
        found += [waiter for _, waiter in await asyncio.gather(*group)]
    return found


class Connection:
    """Asks for one thing at a time, and expects a 2xx."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def post(self, path: str, body: str = "") -> Any:
        head = f"POST {path} HTTP/1.1\r\n{KEY}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._writer.write((head + body).encode())
        answer = await self._reader.readuntil(b"\r\n\r\n")
        found = LENGTH.search(answer)
        content = await self._reader.readexactly(int(found[1]) if found else 0)
        if not answer.startswith(b"HTTP/1.1 2"):
            raise SystemExit(f"POST {path} failed, so the figures mean nothing:\n{(answer + content).decode()}")
        return json.loads(content)


async def connected(port: int) -> Connection:
    return Connection(*await asyncio.open_connection(HOST, port))


def steady(port: int, rate: float, seconds: float) -> list[float]:
    """Submissions at a fixed rate, whether answers come or not: milliseconds from when each was due to its answer.
    For a process of its own, as it must not wait for other clients."""
    return asyncio.run(_steady(port, rate, seconds))


async def _steady(port: int, rate: float, seconds: float) -> list[float]:
    free: list[Connection] = []
    start = time.monotonic()

    async def one(number: int) -> float:
        due = start + number / rate
        await asyncio.sleep(due - time.monotonic())
        connection = free.pop() if free else await connected(port)
        await connection.post("/jobs", FAR)
        free.append(connection)
        return (time.monotonic() - due) * 1000

    return await asyncio.gather(*map(one, range(int(rate * seconds))))
