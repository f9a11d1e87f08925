"""What `GET /metrics` returns: formats, names, and the series that exist from the start."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.parser import text_string_to_metric_families

from service.domain.job import StorageUnavailable
from service.domain.ports import Stats
from service.telemetry.exposition import OPENMETRICS, TEXT, merged, negotiate, render, snapshot
from tests.telemetry.making import ACCEPT_OPENMETRICS, make_telemetry, parsed, scraped, stats

CONTRACT = {
    "http_requests": "counter",
    "http_request_duration_seconds": "histogram",
    "job_submit_seconds": "histogram",
    "http_requests_in_flight": "gauge",
    "http_response_size_bytes": "histogram",
    "jobs_submitted": "counter",
    "jobs_rejected": "counter",
    "jobs_attempts": "counter",
    "job_wait_seconds": "histogram",
    "job_run_seconds": "histogram",
    "job_completion_seconds": "histogram",
    "jobs": "gauge",
    "jobs_oldest_runnable_age_seconds": "gauge",
    "jobs_oldest_running_age_seconds": "gauge",
    "jobs_lease_overdue_seconds": "gauge",
    "job_slots": "gauge",
    "job_leases_expired": "counter",
    "job_finishes_fenced": "counter",
    "store_commit_seconds": "histogram",
    "store_commit_batch_size": "histogram",
    "store_busy": "counter",
    "database_size_bytes": "gauge",
    "wal_size_bytes": "gauge",
    "trace_spans_lost": "counter",
    "worker_up": "gauge",
    "event_loop_lag_seconds": "gauge",
    "disk_free_bytes": "gauge",
    "build_info": "gauge",
    "process_cpu_seconds": "counter",
    "python_gc_collections": "counter",
}
SERIES_FROM_THE_START = """
http_requests_total{worker="0",method="POST",route="/jobs",status="202"} 0.0
http_requests_total{worker="0",method="POST",route="/jobs",status="503"} 0.0
http_requests_total{worker="0",method="GET",route="/metrics",status="200"} 0.0
http_request_duration_seconds_count{worker="0",method="GET",route="/jobs/{id}",status="200"} 0.0
job_submit_seconds_bucket{worker="0",outcome="accepted",le="0.1"} 0.0
job_submit_seconds_bucket{worker="0",outcome="failed",le="0.1"} 0.0
jobs_rejected_total{worker="0",reason="queue_full"} 0.0
jobs_attempts_total{worker="0",kind="sleep",outcome="lease_expired"} 0.0
jobs_attempts_total{worker="0",kind="sleep",outcome="fenced"} 0.0
job_wait_seconds_bucket{worker="0",kind="sleep",le="0.5"} 0.0
job_slots{worker="0",state="free"} 0.0
store_busy_total{worker="0"} 0.0
worker_up{worker="0"} 1.0
jobs{state="queued"} 3.0
jobs{state="failed"} 0.0
jobs_oldest_runnable_age_seconds 1.5
disk_free_bytes 1000.0
"""


async def test_both_formats_parse_and_have_every_metric() -> None:
    telemetry = make_telemetry()
    text = {family.name: family.type for family in text_string_to_metric_families(await scraped(telemetry))}
    exposed = await scraped(telemetry, ACCEPT_OPENMETRICS)
    families = {family.name: family.type for family in parsed(exposed)}
    assert families.items() >= CONTRACT.items()
    assert text.items() >= CONTRACT.items()
    assert "_created" not in exposed
    assert exposed.endswith("# EOF\n")


async def test_series_exist_from_the_start() -> None:
    lines = (await scraped(make_telemetry())).splitlines()
    assert set(SERIES_FROM_THE_START.split("\n")) - {""} <= set(lines)


async def fails() -> Stats:
    raise StorageUnavailable("gone")


async def is_deaf() -> Stats:
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if asyncio.current_task() in DEAF_ONLY_ONCE:
                raise
            DEAF_ONLY_ONCE.add(asyncio.current_task())


DEAF_ONLY_ONCE: set[asyncio.Task[object] | None] = set()


@pytest.mark.parametrize("read", [fails, is_deaf])
async def test_a_database_that_does_not_answer_leaves_its_samples_out(read: Callable[[], Awaitable[Stats]]) -> None:
    body, _ = await make_telemetry().exposition("", read)
    lines = body.decode().splitlines()
    assert "# TYPE jobs gauge" in lines
    assert "# TYPE disk_free_bytes gauge" in lines
    assert not [line for line in lines if line.startswith(("jobs{", "disk_free_bytes "))]
    assert 'worker_up{worker="0"} 1.0' in lines


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", TEXT),
        ("*/*", TEXT),
        ("text/html, */*;q=0.8", TEXT),
        ("text/plain;version=0.0.4", TEXT),
        (ACCEPT_OPENMETRICS, OPENMETRICS),
        ("application/openmetrics-text", OPENMETRICS),
        ("Application/OpenMetrics-Text; version=0.0.1", OPENMETRICS),
        ("application/openmetrics-text;version=1.0.0;q=0.2,text/plain;q=0.9", TEXT),
        ("application/openmetrics-text;q=0", TEXT),
        ("application/openmetrics-text;q=much", TEXT),
        ("application/openmetrics-text;version=2.0.0,text/plain;q=0.1", TEXT),
        (
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;q=0.7," + ACCEPT_OPENMETRICS,
            OPENMETRICS,
        ),
        (";;,,=,q", TEXT),
    ],
)
async def test_the_format_is_negotiated(accept: str, content_type: str) -> None:
    assert negotiate(accept) == content_type
    assert (await make_telemetry().exposition(accept, stats))[1] == content_type


def test_label_values_are_escaped() -> None:
    registry = CollectorRegistry()
    Counter("cups_total", 'Cups, "full".', ["name"], registry=registry).labels('a"b\\c\nd').inc()
    Gauge("heat", "Heat.", registry=registry).set(float("-inf"))
    families = merged({"1": snapshot(registry)})
    (cups, heat) = parsed(render(families, OPENMETRICS).decode())
    assert cups.samples[0].labels == {"worker": "1", "name": 'a"b\\c\nd'}
    assert heat.samples[0].value == float("-inf")
    assert next(iter(text_string_to_metric_families(render(families, TEXT).decode()))).samples == cups.samples
