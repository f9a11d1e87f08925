"""One durable insert as seen from outside: its metrics, its span, and how long the client waited for it."""

import time
from types import TracebackType
from typing import Self

from opentelemetry.trace import Span

from service.domain.job import IdempotencyConflict, Job, QueueFull, StorageUnavailable
from service.domain.ports import Receipt
from service.telemetry import spans
from service.telemetry.context import RECEIVED_AT, facts
from service.telemetry.metrics import Metrics

_REFUSALS = {QueueFull: "queue_full", IdempotencyConflict: "idempotency_conflict"}  # by intent, not by fault


class SubmissionTelemetry:
    """Times one durable insert, from the request's arrival if there is a request."""

    def __init__(self, job: Job, span: Span, metrics: Metrics) -> None:
        self._job = job
        self._span = span
        self._metrics = metrics
        known = facts.get()
        received_at = known.get(RECEIVED_AT) if known else None
        self._since: float = time.perf_counter() if received_at is None else received_at
        self._durable_at: float | None = None
        self._earlier: Job | None = None  # the job of a repeated submission

    def __enter__(self) -> Self:
        return self

    def durable(self, receipt: Receipt) -> None:
        self._durable_at = time.perf_counter()
        self._earlier = receipt.earlier
        self._span.set_attributes(
            {"store.batch_size": receipt.batch_size, "store.waited_seconds": receipt.waited_seconds}
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        job = self._earlier or self._job
        outcome = self._outcome(error)
        self._span.set_attributes({"job.id": job.id, "job.kind": job.kind, "submission.outcome": outcome})
        self._span.end()
        seconds = (self._durable_at or time.perf_counter()) - self._since
        self._metrics.submit(outcome).observe(seconds, spans.exemplar(self._span))

    def _outcome(self, error: BaseException | None) -> str:
        if error is None:
            if self._earlier is not None:
                return "replayed"
            self._metrics.submitted(self._metrics.kind(self._job.kind)).inc()
            return "accepted"
        if isinstance(error, QueueFull | IdempotencyConflict):
            self._metrics.rejected(_REFUSALS[type(error)]).inc()
            return "rejected"
        if isinstance(error, StorageUnavailable):
            self._metrics.rejected("storage_unavailable").inc()
        spans.failed(self._span, error)
        return "failed"
