"""One request and what becomes of it, as the middleware sees it."""

import os
import re
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from opentelemetry.trace import Span

from service.telemetry import spans
from service.telemetry.context import RECEIVED_AT
from service.telemetry.redaction import redact_keys, redact_query, redact_url

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

SCRAPE = "/metrics"
OPS = frozenset({"/healthz", "/readyz", SCRAPE, "/docs", "/openapi.json"})
"""Not traced, and logged at DEBUG while all is well."""

CLIENT_CLOSED = 499  # nginx's number for a client that left before the answer
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_PORT = re.compile(r":\d+$")


class Exchange:
    __slots__ = (
        "_receive",
        "_send",
        "complete",
        "error",
        "headers",
        "left",
        "length",
        "method",
        "received_at",
        "request_id",
        "scope",
        "state",
        "status",
        "streams",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.received_at = time.perf_counter()
        self.scope = scope
        self._receive = receive
        self._send = send
        self.method: str = scope["method"]
        self.headers: Mapping[bytes, bytes] = dict(scope["headers"])
        self.state: dict[str, Any] = scope.setdefault("state", {})
        given = self.headers.get(b"x-request-id", b"")
        well_formed = _REQUEST_ID.fullmatch(given) and redact_keys(given.decode()) == given.decode()
        self.request_id = given.decode() if well_formed else os.urandom(16).hex()
        self.status = 0  # 0: the response has not started
        self.length = 0
        self.streams = False
        self.complete = False
        self.left = False  # the client, or everybody
        self.error: BaseException | None = None

    def identify(self, span: Span) -> None:
        state = self.state
        state["request_id"] = self.request_id
        state[RECEIVED_AT] = self.received_at
        state["traceparent"] = traceparent = spans.traceparent(span)
        state["trace_id"] = traceparent[3:35] if traceparent else None

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.left = True
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            elapsed = time.perf_counter() - self.received_at
            headers = [(name, value) for name, value in message.get("headers", ())]
            self.streams = any(name == b"content-type" and b"text/event-stream" in value for name, value in headers)
            headers.append((b"x-request-id", self.request_id.encode()))
            headers.append((b"x-processed-time", f"{elapsed:.6f}".encode()))
            message["headers"] = headers
        elif message["type"] == "http.response.body":
            self.length += len(message.get("body", b""))
            self.complete = not message.get("more_body", False)
        await self._send(message)

    def final_status(self) -> int:
        """What the client got. A response that broke off is a 500, whatever its first line said."""
        if self.complete:
            return self.status
        return (self.status or CLIENT_CLOSED) if self.left and self.error is None else 500

    def cause(self) -> BaseException | None:
        return self.error or self.state.get("exception")

    def waits(self) -> bool:
        """Whether the API granted a `Prefer: wait`: that lasts as long as the client wants, and says nothing about the
        service."""
        return self.state.get("waits", False) is True

    def route(self) -> str | None:
        """The template, such as `/jobs/{id}`."""
        path = self.scope["path"]
        if path in OPS:
            return str(path)
        return getattr(self.scope.get("route"), "path", None)

    def header(self, name: bytes) -> str | None:
        """For people to read: without keys."""
        value = self.headers.get(name)
        return None if value is None else redact_keys(value.decode("latin-1"))

    def client(self) -> str | None:
        client = self.scope.get("client")
        return client[0] if client else None

    def host(self) -> str | None:
        """The `Host` header without its port."""
        host = self.header(b"host")
        return host and _PORT.sub("", host)

    def fields(self, route: str | None, status: int, elapsed: float) -> dict[str, Any]:
        scope = self.scope
        path = redact_keys((scope.get("raw_path") or scope["path"].encode()).decode("latin-1"))
        query = scope.get("query_string", b"").decode("latin-1")
        referer = self.header(b"referer")
        return {
            "remote_ip": self.client(),
            "scheme": scope.get("scheme"),
            "protocol": f"HTTP/{scope.get('http_version', '1.1')}",
            "method": self.method,
            "path_with_query": f"{path}?{redact_query(query)}" if query else path,
            "route": route,
            "status_code": status,
            "response_length": self.length,
            "elapsed": round(elapsed, 6),
            "referer": redact_url(referer) if referer else None,
            "user_agent": self.header(b"user-agent"),
        }
