"""The route class of the jobs API: authentication first, then media type and size, and JSON parsed strictly.

FastAPI reads and parses a body before it solves dependencies, so a check made there would come too late: a stranger
could make the service parse. This is FastAPI's documented "custom Request and APIRoute class".
"""

import asyncio
from collections.abc import Callable, Coroutine
from email.message import Message
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic_core import from_json

from service.api import errors
from service.api.auth import KeyRing
from service.api.errors import Refused

BODY_LIMIT_BYTES = 1024 * 1024
DISCARD_LIMIT_BYTES = 16 * BODY_LIMIT_BYTES
BODY_SECONDS = 30.0  # for all of it: a byte now and then would hold the connection for ever; the proxy waits longer


class JsonRequest(Request):
    async def body(self) -> bytes:
        if not hasattr(self, "_body"):
            try:
                async with asyncio.timeout(BODY_SECONDS):
                    self._body = await self._read_within_limit()
            except TimeoutError:
                raise Refused(errors.TOO_SLOW) from None
        return self._body

    async def json(self) -> Any:
        try:
            # Stricter than the standard library's: no NaN, no Infinity, no lone surrogates, bounded nesting.
            return from_json(await self.body(), allow_inf_nan=False)
        except ValueError as problem:
            raise Refused(errors.MALFORMED_BODY) from problem

    async def _read_within_limit(self) -> bytes:
        chunks, size = [], 0
        async for chunk in self.stream():
            size += len(chunk)
            if size <= BODY_LIMIT_BYTES:
                chunks.append(chunk)
            elif size > DISCARD_LIMIT_BYTES:
                break
            # What is too large is read to its end and thrown away: a client that is still sending when the
            # connection closes would see a reset and not the 413.
        if size > BODY_LIMIT_BYTES:
            raise Refused(errors.TOO_LARGE)
        return b"".join(chunks)


class JobsRoute(APIRoute):
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        inner = super().get_route_handler()
        takes_body = self.body_field is not None

        async def handle(request: Request) -> Response:
            keys: KeyRing = request.app.state.keys
            caller = keys.caller(request.scope)
            if caller is None:
                raise Refused(errors.UNAUTHENTICATED)
            request.state.user_id = caller.user_id
            request = JsonRequest(request.scope, request.receive)
            if takes_body:
                if not is_json(request.headers.get("content-type", "")):
                    raise Refused(errors.NOT_JSON_TYPE)
                if not await request.body():
                    raise Refused(errors.MALFORMED_BODY)
            return await inner(request)

        return handle


def is_json(content_type: str) -> bool:
    if content_type == "application/json":
        return True
    message = Message()
    message["content-type"] = content_type
    return bool(content_type) and message.get_content_type() == "application/json"
