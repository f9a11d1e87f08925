"""What a store tells about its commits, as metrics and log lines: the domain's `StoreObserver`. Called in any
thread."""

import logging
from typing import Any

from structlog.typing import FilteringBoundLogger

from service.telemetry.event import write_event
from service.telemetry.metrics import Metrics


class StoreTelemetry:
    def __init__(self, metrics: Metrics, log: FilteringBoundLogger) -> None:
        self._metrics = metrics
        self._log = log

    def committed(self, seconds: float, batch_size: int) -> None:
        self._metrics.commit.observe(seconds)
        self._metrics.commit_batch.observe(batch_size)

    def busy(self) -> None:
        self._metrics.store_busy.inc()

    def event(self, message: str, level: int = logging.INFO, **facts: Any) -> None:
        write_event(self._log, message, level, facts)
