"""What a client may do with a connection before its request reaches the application: uvicorn's protocol, with bounds.

uvicorn takes heads of any size (10 MB and 10,000 headers were answered 200), keeps every trailer, waits for ever for a
first byte and for the end of a head, and after an early answer for the end of the body. Here each of them ends:

- idle: `timeout_keep_alive`, from the connecting on; longer than the proxy keeps an idle connection
- a head: `HEAD_SECONDS` from its first byte, however often another one comes
- a body that the answer did not wait for: `LINGER_SECONDS`; one that the application reads: `api.requests`
- sizes: below. Trailers are dropped: nothing here reads them, and merged with the headers they could pass for some.

An ordinary request arrives whole, and sets no timer.
"""

import asyncio
import os
from http import HTTPStatus
from typing import Any, Literal

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.api import errors
from service.api.errors import Problem
from service.telemetry.logging import get_logger

HEAD_LIMIT_BYTES = 64 * 1024  # more than the proxy lets through, so that it is the proxy who refuses
HEADERS_LIMIT = 100
URL_LIMIT_BYTES = 8 * 1024
HEAD_SECONDS = 10.0
LINGER_SECONDS = 5.0

Waits = Literal["head", "linger"]


class BoundedConnection(HttpToolsProtocol):
    """Each refusal is a problem document where an answer can still be read, and a log line `request_refused`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._part: Literal["head", "body"] | None = None  # of a request, being received
        self._ended = False  # a request has, in what was received last
        self._unused = 0  # bytes received since a head or a piece of a body was complete
        self._refusal: Problem | None = None
        self._timer: tuple[Waits, asyncio.TimerHandle] | None = None
        self._keep_alive()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """In place of uvicorn's, which logs three lines a bad request, and answers it with plain text."""
        if self._refusal is not None:
            return  # read to be thrown away: a client that still sends when the connection closes would see a reset
        self._unset_keepalive_if_required()
        self._ended = False
        self._unused += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # not offered here: the request is answered as if it had not asked
        except httptools.HttpParserError:  # also what the callbacks below raise
            self._refuse(self._refusal or errors.MALFORMED_REQUEST)
            return
        if self._unused > HEAD_LIMIT_BYTES:
            self._refuse(errors.HEAD_TOO_LARGE)
        else:
            self._watch()

    def on_message_begin(self) -> None:
        self._part = "head"
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if len(self.url) > URL_LIMIT_BYTES:
            self._refusal = errors.URL_TOO_LONG
        elif len(self.headers) > HEADERS_LIMIT or (self._unused > HEAD_LIMIT_BYTES and self._head_is_too_large()):
            self._refusal = errors.HEAD_TOO_LARGE
        if self._refusal is not None:
            raise ValueError(self._refusal.slug)  # the parser stops, and says so to `data_received`
        self._part = "body"
        self._unused = 0
        super().on_headers_complete()
        self.headers = []  # where trailers go: the request has the other list

    def on_body(self, body: bytes) -> None:
        self._unused = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._part = None
        self._ended = True
        self._unused = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def _head_is_too_large(self) -> bool:
        """Exactly; what was received last may hold a body too."""
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > HEAD_LIMIT_BYTES

    def _watch(self) -> None:
        """Time runs while nothing is being answered: an answer may wait or stream, and reading is paused meanwhile."""
        if self._answering() or self.transport.is_closing():
            self._wait(None)
        elif self._part == "body":
            self._wait("linger")
        elif self._part == "head" or not (self._ended or self.timeout_keep_alive_task):
            self._wait("head")  # empty lines before a request count as its head: they could go on for ever
        else:
            self._wait(None)
            self._keep_alive()

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _keep_alive(self) -> None:
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _wait(self, what: Waits | None) -> None:
        """What is waited for already goes on, whatever came meanwhile."""
        if self._timer is not None:
            if self._timer[0] == what:
                return
            self._timer[1].cancel()
            self._timer = None
        if what == "head":
            self._timer = what, self.loop.call_later(HEAD_SECONDS, self._refuse, errors.TOO_SLOW)
        elif what == "linger":
            self._timer = what, self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _refuse(self, problem: Problem) -> None:
        self._refusal = problem
        request_id = os.urandom(16).hex()
        get_logger().info(
            "request_refused",
            request_id=request_id,
            remote_ip=self.client[0] if self.client else None,
            status_code=problem.status,
            reason=problem.slug,
        )
        self._unset_keepalive_if_required()
        self._wait(None)
        if self._answering():
            self.transport.close()  # an answer has begun: another one within it would mean nothing
            return
        self.transport.write(_answer(problem, request_id))
        self.transport.write_eof()
        self._wait("linger")


def _answer(problem: Problem, request_id: str) -> bytes:
    body = errors.document(problem, instance=None, request_id=request_id)
    head: dict[str, Any] = {
        "content-type": errors.MEDIA_TYPE,
        "content-length": len(body),
        "x-request-id": request_id,
        "cache-control": "no-store",
        "connection": "close",
    }
    lines = (f"{name}: {value}\r\n" for name, value in head.items())
    phrase = HTTPStatus(problem.status).phrase
    return f"HTTP/1.1 {problem.status} {phrase}\r\n{''.join(lines)}\r\n".encode() + body
