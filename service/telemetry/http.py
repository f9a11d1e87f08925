"""Around every request: its id, its span, its metrics, and its one log line. Pure ASGI, the outermost middleware.

What it takes from the API, through `scope["state"]`: `user_id`; `waits`, whether a `Prefer: wait` was granted;
`error_detail`, why a 422; `exception`, what a 5xx was mapped from. What it gives there: `request_id`, `trace_id`,
`traceparent`.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from opentelemetry import context as otel
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind
from structlog.typing import FilteringBoundLogger

from service.telemetry import spans
from service.telemetry.context import facts
from service.telemetry.exchange import OPS, SCRAPE, App, Exchange, Receive, Scope, Send
from service.telemetry.metrics import METHODS, OTHER_METHOD, UNMATCHED, Metrics
from service.telemetry.redaction import redact_keys
from service.telemetry.tracing import Tracing


class HttpTelemetry:
    """The middleware. `on_error` answers a 500 in the API's form; `may_force_sampling` says whether a request that asks
    to be traced comes from somebody who may."""

    def __init__(
        self,
        app: App,
        *,
        metrics: Metrics,
        tracing: Tracing,
        log: FilteringBoundLogger,
        on_error: App,
        may_force_sampling: Callable[[Scope], bool],
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._tracing = tracing
        self._log = log
        self._on_error = on_error
        self._may_force_sampling = may_force_sampling

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(scope, receive, send)
        span = self._start_span(exchange)
        exchange.identify(span)
        known = facts.set(exchange.state)
        current = spans.entered(span)
        scrape = scope["path"] == SCRAPE
        if not scrape:
            self._metrics.in_flight.inc()
        try:
            await self._run(exchange)
        finally:
            if not scrape:
                self._metrics.in_flight.dec()
            self._finish(exchange, span)
            otel.detach(current)
            facts.reset(known)

    async def _run(self, exchange: Exchange) -> None:
        try:
            await self._app(exchange.scope, exchange.receive, exchange.send)
        except asyncio.CancelledError:  # the server ends, or the client went away
            exchange.left = True
            raise
        except Exception as error:
            if type(error).__name__ == "ClientDisconnect":  # Starlette's; telemetry does not know Starlette
                exchange.left = True
                return
            exchange.error = error
            # Swallowed here: whoever gets it next would log a second traceback. After the response has started nothing
            # can be said any more; the server sees that it is incomplete and cuts the connection.
            if not exchange.status:
                await self._answer_error(exchange)

    async def _answer_error(self, exchange: Exchange) -> None:
        try:
            await self._on_error(exchange.scope, exchange.receive, exchange.send)
        except Exception:
            self._log.exception("error_answer_failed")  # the server answers a bare 500

    def _start_span(self, exchange: Exchange) -> Span:
        if exchange.scope["path"] in OPS:
            return INVALID_SPAN
        header = exchange.header(b"traceparent")
        context = spans.extracted(header)
        if exchange.headers.get(b"x-trace-sample") == b"1" and self._may_force_sampling(exchange.scope):
            context = spans.decided(True, context)
        method = exchange.method if exchange.method in METHODS else "HTTP"
        return self._tracing.tracer.start_span(method, context, SpanKind.SERVER)

    def _finish(self, exchange: Exchange, span: Span) -> None:
        elapsed = time.perf_counter() - exchange.received_at
        route = exchange.route()
        status = exchange.final_status()
        method = exchange.method if exchange.method in METHODS else OTHER_METHOD
        labels = (method, route or UNMATCHED, status)
        self._metrics.requests(*labels).inc()
        duration = self._metrics.request_duration(*labels)
        if route != SCRAPE:
            self._metrics.response_size.observe(exchange.length)
        if not (exchange.streams or exchange.waits()):
            duration.observe(elapsed, spans.exemplar(span))
        self._write_line(exchange, route, status, elapsed)
        if span.is_recording():
            _describe(span, exchange, route, status)
        span.end()

    def _write_line(self, exchange: Exchange, route: str | None, status: int, elapsed: float) -> None:
        if status < 400 and exchange.error is None and not self._log.is_enabled_for(logging.INFO):
            return  # before the fields are made
        fields = exchange.fields(route, status, elapsed)
        if status >= 500 or exchange.error is not None:  # also what fails after a complete answer
            self._log.error("request_finished", exc_info=exchange.cause(), **fields)
        elif status < 400 and exchange.scope["path"] in OPS:
            self._log.debug("request_finished", **fields)  # health checks come twice a second and would drown the rest
        else:
            if status == 422:
                fields["detail"] = exchange.state.get("error_detail")
            self._log.info("request_finished", **fields)


def _describe(span: Span, exchange: Exchange, route: str | None, status: int) -> None:
    """OpenTelemetry's stable HTTP conventions."""
    known = exchange.method in METHODS
    attributes: dict[str, Any] = {
        "http.request.method": exchange.method if known else OTHER_METHOD,
        "url.path": redact_keys(exchange.scope["path"]),
        "url.scheme": exchange.scope.get("scheme", "http"),
        "http.response.status_code": status,
        "request.id": exchange.request_id,
    }
    optional = {
        "http.request.method_original": None if known else exchange.method,
        "http.route": route,
        "client.address": exchange.client(),
        "server.address": exchange.host(),
        "user_agent.original": exchange.header(b"user-agent"),
    }
    attributes.update((name, value) for name, value in optional.items() if value is not None)
    span.set_attributes(attributes)
    if status >= 500:
        span.set_attribute("error.type", str(status))
        spans.failed(span, exchange.cause())
    if route is not None:
        span.update_name(f"{exchange.method if known else 'HTTP'} {route}")
