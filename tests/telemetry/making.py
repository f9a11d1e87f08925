"""A telemetry, and a job, with as little as a test must say."""

from collections.abc import Sequence
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import parser as openmetrics

from service.domain.job import Job, Outcome, Settlement, State
from service.domain.ports import Stats
from service.telemetry.telemetry import Telemetry

NOW = 1_800_000_000.0
ROUTES = (("POST", "/jobs"), ("GET", "/jobs/{id}"))
ACCEPT_OPENMETRICS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.3"
)


def make_telemetry(**changed: Any) -> Telemetry:
    given: dict[str, Any] = {
        "kinds": ("sleep",),
        "routes": ROUTES,
        "version": "1.2.3",
        "sqlite_version": "3.51.3",
        "loop_stall_seconds": 0,
    }
    return Telemetry(**(given | changed))


def make_job(**changed: Any) -> Job:
    given: dict[str, Any] = {
        "id": "job-1",
        "kind": "sleep",
        "payload": {},
        "user_id": "ada",
        "request_id": "request-1",
        "created_at": NOW,
        "run_at": NOW,
        "runnable_at": NOW,
        "started_at": NOW + 2,
        "attempt": 1,
        "state": State.RUNNING,
        "version": 2,
    }
    return Job(**(given | changed))


def settlement(job: Job, outcome: Outcome, error: str | None = None) -> Settlement:
    return Settlement(job_id=job.id, run=job.run, outcome=outcome, finished_at=NOW + 5, error=error)


class Spans:
    """What was exported. `Telemetry.open` flushes at its end, so it is complete only after that."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()

    def all(self) -> Sequence[ReadableSpan]:
        return self.exporter.get_finished_spans()

    def one(self, name: str) -> ReadableSpan:
        (span,) = [span for span in self.all() if span.name == name]
        return span


def parsed(exposed: str) -> list[Metric]:
    """By the reference parser, which checks more than Prometheus itself."""
    return list(openmetrics.text_string_to_metric_families(exposed))  # type: ignore[no-untyped-call]


async def stats() -> Stats:
    return Stats(jobs={State.QUEUED: 3}, oldest_runnable_age_seconds=1.5, disk_free_bytes=1000)


async def scraped(telemetry: Telemetry, accept: str = "") -> str:
    body, _ = await telemetry.exposition(accept, stats)
    return body.decode()
