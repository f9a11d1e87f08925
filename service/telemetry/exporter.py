"""Sends spans to the collector, without noise while it is away."""

import logging
import time
from collections.abc import Callable, Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

REMIND_SECONDS = 300.0


class QuietExporter(SpanExporter):
    """One line when exports begin to fail, one each five minutes while they do, one when they work again; the SDK's own
    two lines a batch are silenced in logging.py."""

    def __init__(self, exporter: SpanExporter, event: Callable[..., None], lost: Callable[[int], None]) -> None:
        self._exporter = exporter
        self._event = event
        self._count = lost
        self._lost = 0
        self._said_at = 0.0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            if self._lost:
                self._event("span_export_recovered", logging.INFO, spans_lost=self._lost)
            self._lost = 0
            return result
        first = self._lost == 0
        self._lost += len(spans)
        self._count(len(spans))
        if first or time.monotonic() - self._said_at >= REMIND_SECONDS:
            self._said_at = time.monotonic()
            self._event("span_export_failed", logging.WARNING, spans_lost=self._lost)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._exporter.force_flush(timeout_millis)
