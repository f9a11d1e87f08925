"""One durable insert as seen from outside: how long the client waited for it."""

import time

from opentelemetry.trace import Span

from service.domain.job import Job
from service.domain.ports import Receipt
from service.telemetry.context import RECEIVED_AT, facts


class SubmissionTelemetry:
    """Times one durable insert, from the request's arrival if there is a request."""

    def __init__(self, span: Span) -> None:
        self._span = span
        known = facts.get()
        received_at = known.get(RECEIVED_AT) if known else None
        self._since: float = time.perf_counter() if received_at is None else received_at
        self._durable_at: float | None = None
        self.earlier: Job | None = None  # the job of a repeated submission

    def durable(self, receipt: Receipt) -> None:
        self._durable_at = time.perf_counter()
        self.earlier = receipt.earlier
        self._span.set_attributes(
            {"store.batch_size": receipt.batch_size, "store.waited_seconds": receipt.waited_seconds}
        )

    def seconds(self) -> float:
        return (self._durable_at or time.perf_counter()) - self._since
