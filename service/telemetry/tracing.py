"""Spans of one process: an own tracer provider, its sampling, and its flush at the end.

The provider is never made the global one: FastAPI's own telemetry switches itself on when there is one, and every
request would have two spans.
"""

import asyncio
import logging
import os
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from opentelemetry import context as otel
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor, RequestInfo
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBasedTraceIdRatio, Sampler, SamplingResult
from opentelemetry.trace import Link, NoOpTracer, Span, SpanKind, Tracer
from opentelemetry.util.http import redact_url as without_known_secrets
from opentelemetry.util.types import Attributes

from service.telemetry import spans
from service.telemetry.exporter import QuietExporter
from service.telemetry.redaction import redact_url

FLUSH_SECONDS = 3.0
EXPORT_SECONDS = 10.0  # longer than a collector stalls while it tidies up; what comes meanwhile waits in the queue
QUEUE_SPANS = 8192  # the SDK's 2048 are full after a second of load; about 25 MB while the collector is away


class Tracing:
    """`tracer` makes no spans until `open`."""

    def __init__(
        self,
        *,
        version: str,
        environment: str,
        sample_ratio: float,
        exporter: SpanExporter | None,
        traces_url: str | None,
        event: Callable[..., None],
        lost: Callable[[int], None],
    ) -> None:
        self.tracer: Tracer = NoOpTracer()
        self._version = version
        self._environment = environment
        self._sampler = DecidedSampler(sample_ratio)
        self._exporter = exporter
        self._traces_url = traces_url
        self._event = event
        self._lost = lost

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        provider = TracerProvider(self._sampler, self._resource(), id_generator=GivenTraceIds(), shutdown_on_exit=False)
        exporter = self._exporter
        if exporter is None and self._traces_url is not None:
            exporter = OTLPSpanExporter(self._traces_url, timeout=EXPORT_SECONDS)
        if exporter is not None:
            exporter = QuietExporter(exporter, self._event, self._lost)
            provider.add_span_processor(
                BatchSpanProcessor(exporter, max_queue_size=QUEUE_SPANS, schedule_delay_millis=1000)
            )
        self.tracer = provider.get_tracer("service", self._version)
        instrumented = _instrument_httpx(provider)
        try:
            yield
        finally:
            if instrumented:
                HTTPXClientInstrumentor().uninstrument()
            self.tracer = NoOpTracer()
            await self._flush(provider)

    async def _flush(self, provider: TracerProvider) -> None:
        """Last of all, because uvicorn ends its workers by a signal and no `atexit` runs; bounded, because a collector
        that is away must not hold up the stop."""
        loop = asyncio.get_running_loop()
        flushed = asyncio.Event()

        def flush() -> None:
            provider.shutdown()
            with suppress(RuntimeError):  # too late: the loop is closed
                loop.call_soon_threadsafe(flushed.set)

        # A daemon, and no pool: neither the end of the process nor a pool full of handlers' work may wait for it.
        threading.Thread(target=flush, name="span-flush", daemon=True).start()
        try:
            await asyncio.wait_for(flushed.wait(), FLUSH_SECONDS)
        except TimeoutError:
            self._event("span_flush_timed_out", logging.WARNING, limit_seconds=FLUSH_SECONDS)

    def _resource(self) -> Resource:
        defaults = {
            "service.name": "jobs-service",
            "service.version": self._version,
            "deployment.environment.name": self._environment,
        }
        # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win. service.instance.id is made anew for each process.
        return Resource.create(defaults).merge(OTELResourceDetector().detect())


class GivenTraceIds(RandomIdGenerator):
    """Random ids; but a root span takes the trace id that its maker gave it (`spans.in_trace`)."""

    def generate_trace_id(self) -> int:
        return spans.ROOT_TRACE_ID.get() or super().generate_trace_id()


class DecidedSampler(Sampler):
    """By the parent, else by ratio; unless the context says that it is decided."""

    def __init__(self, ratio: float) -> None:
        self._by_parent_or_ratio = ParentBasedTraceIdRatio(ratio)

    def should_sample(
        self,
        parent_context: otel.Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: Any = None,
    ) -> SamplingResult:
        decided = otel.get_value(spans.DECIDED, parent_context)
        if decided is None:
            sampler: Sampler = self._by_parent_or_ratio
        else:
            sampler = ALWAYS_ON if decided else ALWAYS_OFF
        return sampler.should_sample(parent_context, trace_id, name, kind, attributes, links)

    def get_description(self) -> str:
        return "by decision, else by parent, else by ratio"


def _instrument_httpx(provider: TracerProvider) -> bool:
    instrumentor = HTTPXClientInstrumentor()
    if instrumentor.is_instrumented_by_opentelemetry:
        return False  # it is one per process
    # The instrumentation still defaults to the names from before the conventions became stable, and reads only this.
    os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http")
    instrumentor.instrument(tracer_provider=provider, async_request_hook=_hide_secrets)
    return True


async def _hide_secrets(span: Span, request: RequestInfo) -> None:
    """The instrumentation knows a few query parameters by name only."""
    span.set_attribute("url.full", redact_url(without_known_secrets(str(request.url))))
