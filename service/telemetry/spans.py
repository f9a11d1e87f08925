"""Small operations on spans and their contexts, for whoever makes one."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from opentelemetry import context as otel
from opentelemetry.trace import (
    INVALID_SPAN,
    NonRecordingSpan,
    Span,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from service.telemetry import plain
from service.telemetry.line import traceback_text

DECIDED = otel.create_key("sampling-decided")
"""In a context: True or False, whatever parent and ratio say; see `tracing.DecidedSampler`."""

ROOT_TRACE_ID: ContextVar[int | None] = ContextVar("root_trace_id", default=None)
"""The trace id that a span without a parent takes, if one is set; see `tracing.GivenTraceIds`."""

_PROPAGATOR = TraceContextTextMapPropagator()


def extracted(traceparent: str | None) -> otel.Context:
    """The context of a remote parent; empty without a well-formed one. Never the current context: on a kept connection
    that may be an earlier request's."""
    return _PROPAGATOR.extract({"traceparent": traceparent}, otel.Context()) if traceparent else otel.Context()


def submitter(traceparent: str | None) -> Span:
    """The span that a job was submitted in. Our own text, not a stranger's, so it is read without the propagator, whose
    care took a tenth of the time of an attempt."""
    if traceparent is None:
        return INVALID_SPAN
    _, trace_id, span_id, flags = traceparent.split("-")
    context = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))
    return NonRecordingSpan(context)


def decided(sampled: bool, context: otel.Context | None = None) -> otel.Context:
    return otel.set_value(DECIDED, sampled, otel.Context() if context is None else context)


@contextmanager
def in_trace(trace_id: str | None) -> Iterator[None]:
    """A span made meanwhile without a parent belongs to that trace."""
    token = ROOT_TRACE_ID.set(int(trace_id, 16) if trace_id else None)
    try:
        yield
    finally:
        ROOT_TRACE_ID.reset(token)


def below(tracer: Tracer, name: str) -> Span:
    """A span below the current one; none if that is not recorded, as nobody would see it."""
    current = get_current_span()
    if current.get_span_context().is_valid and not current.is_recording():
        return INVALID_SPAN
    return tracer.start_span(name)


def traceparent(span: Span) -> str | None:
    context = span.get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def exemplar(span: Span) -> dict[str, str] | None:
    """For sampled traces only: a link to a trace that was never stored is worse than none."""
    context = span.get_span_context()
    return {"trace_id": f"{context.trace_id:032x}"} if context.trace_flags.sampled else None


def failed(span: Span, error: BaseException | None, description: str | None = None) -> None:
    """Marks the span, with the exception as an event. Not by the SDK's `record_exception`: that breaks on an exception
    that cannot be printed, and a lone surrogate in its text costs the whole batch of spans."""
    if not span.is_recording():
        return
    span.set_status(Status(StatusCode.ERROR, description))
    if error is not None:
        kind = type(error).__qualname__
        message = plain.escape_surrogates(plain.cut(plain.text(error), plain.TEXT_LIMIT))
        stack = plain.escape_surrogates(traceback_text(error))
        span.set_attribute("error.type", kind)
        span.add_event(
            "exception", {"exception.type": kind, "exception.message": message, "exception.stacktrace": stack}
        )


def entered(span: Span) -> Any:
    """Makes the span current; returns the token for `opentelemetry.context.detach`."""
    return otel.attach(set_span_in_context(span))
