"""What the queue and the worker do, as metrics, spans and one log line per attempt: the domain's `JobObserver`."""

import logging
from typing import Any

from opentelemetry import context as otel
from opentelemetry.trace import Link, Span, SpanKind, set_span_in_context
from structlog.typing import FilteringBoundLogger

from service.domain.job import Job, Outcome
from service.telemetry import spans
from service.telemetry.attempt import AttemptTelemetry
from service.telemetry.event import write_event
from service.telemetry.metrics import Metrics
from service.telemetry.submission import SubmissionTelemetry
from service.telemetry.tracing import Tracing


class JobTelemetry:
    def __init__(self, metrics: Metrics, tracing: Tracing, log: FilteringBoundLogger) -> None:
        self._metrics = metrics
        self._tracing = tracing
        self._log = log
        self._busy = self._free = 0
        metrics.slots.labels("busy").set_function(lambda: self._busy)  # asked at a scrape, not set with each job
        metrics.slots.labels("free").set_function(lambda: self._free)

    def submission(self, job: Job) -> SubmissionTelemetry:
        return SubmissionTelemetry(job, spans.below(self._tracing.tracer, "store.submit"), self._metrics)

    def attempt(self, job: Job) -> AttemptTelemetry:
        return AttemptTelemetry(job, self._start_span(job), self._metrics, self._log)

    def lease_expired(self, job: Job) -> None:
        metrics = self._metrics
        kind = metrics.kind(job.kind)
        metrics.leases_expired.inc()
        metrics.attempts(kind, Outcome.LEASE_EXPIRED).inc()
        if job.state.terminal and job.finished_at is not None:
            metrics.completion(kind).observe(max(0.0, job.finished_at - job.runnable_at))
        self._log.warning(
            "job_lease_expired",
            job_id=job.id,
            kind=job.kind,
            attempt=job.attempt,
            state=job.state,
            request_id=job.request_id,
            user_id=job.user_id,
        )

    def slots(self, busy: int, free: int) -> None:
        self._busy, self._free = busy, free

    def event(self, message: str, level: int = logging.INFO, **facts: Any) -> None:
        write_event(self._log, message, level, facts)

    def _start_span(self, job: Job) -> Span:
        """The first run is a child of the submission's request. A later one is a trace of its own, linked to it: hours
        may lie between, and one trace would hide which run took how long."""
        submitter = spans.submitter(job.traceparent)
        origin = submitter.get_span_context()
        if not (job.ran_before and origin.is_valid):
            if origin.is_valid and not origin.trace_flags.sampled:
                return submitter  # its child would not be sampled either
            below = set_span_in_context(submitter, otel.Context())
            span = self._tracing.tracer.start_span("job.process", below, SpanKind.CONSUMER)
        else:
            context = spans.decided(origin.trace_flags.sampled)  # a job is traced in all its attempts or in none
            with spans.in_trace(job.run_trace_id):
                span = self._tracing.tracer.start_span("job.process", context, SpanKind.CONSUMER, links=[Link(origin)])
        if span.is_recording():
            span.set_attributes(
                {
                    "messaging.system": "jobs-service",
                    "messaging.operation.name": "process",
                    "messaging.operation.type": "process",
                    "messaging.destination.name": "jobs",
                    "messaging.message.id": job.id,
                    "job.id": job.id,
                    "job.kind": job.kind,
                    "job.attempt": job.attempt,
                }
            )
            if job.lease_expired:
                span.add_event("lease_expired")
        return span
