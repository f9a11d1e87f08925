"""One attempt as seen from outside: its metrics, its log line, and what its span says."""

import logging
import time
from types import TracebackType
from typing import Self

from opentelemetry import context as otel
from opentelemetry.trace import Span
from structlog.typing import FilteringBoundLogger

from service.domain.job import NEXT_STATE, Job, Outcome, Settlement
from service.telemetry import spans
from service.telemetry.context import facts
from service.telemetry.metrics import FENCED, Metrics

_LINES: dict[Outcome, tuple[str, int]] = {
    Outcome.SUCCEEDED: ("job_succeeded", logging.INFO),
    Outcome.RETRIED: ("job_retried", logging.WARNING),
    Outcome.FAILED: ("job_failed", logging.ERROR),
    Outcome.CANCELLED: ("job_cancelled", logging.INFO),
    Outcome.RELEASED: ("job_released", logging.INFO),
}


class AttemptTelemetry:
    """One attempt, from its claim to its settlement; entered and left in the attempt's own task."""

    def __init__(self, job: Job, span: Span, metrics: Metrics, log: FilteringBoundLogger) -> None:
        self._job = job
        self._span = span
        self._metrics = metrics
        self._log = log

    def __enter__(self) -> Self:
        job = self._job
        self._known = facts.set({"request_id": job.request_id, "user_id": job.user_id, "job_id": job.id})
        self._current = spans.entered(self._span)
        self._since = time.perf_counter()
        self._kind = self._metrics.kind(job.kind)
        self._exemplar = spans.exemplar(self._span)
        runnable_at = max(job.run_at, job.created_at)
        started_at = runnable_at if job.started_at is None else job.started_at
        self._waited = max(0.0, started_at - runnable_at)  # the wall clock may step back
        self._metrics.wait(self._kind).observe(self._waited, self._exemplar)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            spans.failed(self._span, error)
        self._span.end()
        otel.detach(self._current)
        facts.reset(self._known)

    @property
    def trace_id(self) -> str | None:
        context = self._span.get_span_context()
        return f"{context.trace_id:032x}" if context.is_valid else None

    def settled(self, outcome: Outcome | None, settlement: Settlement, error: BaseException | None) -> None:
        elapsed = time.perf_counter() - self._since
        self._measure(outcome, settlement, elapsed)
        self._describe(outcome, settlement, error)
        message, level = ("job_finish_fenced", logging.WARNING) if outcome is None else _LINES[outcome]
        self._log.log(
            level,
            message,
            kind=self._job.kind,
            attempt=self._job.attempt,
            elapsed=round(elapsed, 6),
            waited=round(self._waited, 6),
            error=settlement.error,
            exc_info=error if outcome is Outcome.FAILED else None,
        )

    def _measure(self, outcome: Outcome | None, settlement: Settlement, elapsed: float) -> None:
        metrics, kind = self._metrics, self._kind
        ended = outcome or FENCED
        metrics.attempts(kind, ended).inc()
        metrics.run(kind, ended).observe(elapsed, self._exemplar)
        if outcome is None:
            metrics.finishes_fenced.inc()
        elif NEXT_STATE[outcome].terminal:
            seconds = max(0.0, settlement.finished_at - self._job.runnable_at)  # retries and their waits included
            metrics.completion(kind).observe(seconds, self._exemplar)

    def _describe(self, outcome: Outcome | None, settlement: Settlement, error: BaseException | None) -> None:
        span = self._span
        if not span.is_recording():
            return
        span.set_attribute("job.outcome", outcome or FENCED)
        if outcome in (Outcome.FAILED, Outcome.RETRIED):
            spans.failed(span, error, settlement.error)
