"""What the backups tell: their metrics, in a registry of their own, and log lines."""

import logging
from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge

from service.telemetry.event import write_event
from service.telemetry.exposition import negotiate, render, snapshot
from service.telemetry.logging import get_logger


class BackupTelemetry:
    """`last_verified`: the time of the newest verified backup. Asked at each scrape, so that it survives a restart, and
    a backup that another process made counts too."""

    def __init__(
        self, *, stages: Iterable[str], interval_seconds: float, has_remote: bool, last_verified: Callable[[], float]
    ) -> None:
        self.registry = registry = CollectorRegistry()
        Gauge(
            "backup_last_verified_timestamp_seconds",
            "When the newest verified backup was taken; 0: there is none.",
            registry=registry,
        ).set_function(last_verified)
        Gauge("backup_interval_seconds", "Time between two backups.", registry=registry).set(interval_seconds)
        self._duration = Gauge(
            "backup_last_duration_seconds", "How long the last backup took, verification included.", registry=registry
        )
        self._size = Gauge("backup_last_size_bytes", "The last backup, compressed.", registry=registry)
        self._failures = Counter(
            "backup_failures_total", "Backups that failed, by what failed.", ["stage"], registry=registry
        )
        Gauge("backup_remote_configured", "1: backups are copied off this machine.", registry=registry).set(has_remote)
        self._last_copied = Gauge(
            "backup_last_copied_timestamp_seconds",
            "When the newest backup that is off this machine was taken; 0: none is known.",
            registry=registry,
        )
        self._log = get_logger()
        for stage in stages:
            self._failures.labels(stage)

    def event(self, message: str, level: int = logging.INFO, **facts: Any) -> None:
        write_event(self._log, message, level, facts)

    def made(self, size_bytes: int, seconds: float) -> None:
        self._size.set(size_bytes)
        self._duration.set(seconds)

    def copied(self, taken_at: float) -> None:
        self._last_copied.set(taken_at)

    def failed(self, stage: str) -> None:
        self._failures.labels(stage).inc()

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """Body and content type for `GET /metrics`."""
        content_type = negotiate(accept)
        return render(snapshot(self.registry), content_type), content_type
