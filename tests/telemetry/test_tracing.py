"""Spans over the wire: what arrives at a collector, and what happens when there is none."""

import logging
import socket
from collections.abc import Sequence

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from service.telemetry import tracing
from service.telemetry.exporter import QuietExporter
from tests.processes.otlp import OtlpSink
from tests.telemetry.conftest import ReadLines
from tests.telemetry.making import Spans, make_job, make_telemetry
from tests.waiting import wait_until


async def test_all_spans_of_a_burst_have_arrived_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    with OtlpSink() as sink:
        telemetry = make_telemetry(traces_url=f"{sink.url}/v1/traces")
        monkeypatch.setattr(tracing, "FLUSH_SECONDS", 30)  # the machine may be busy
        async with telemetry.open():
            for number in range(2500):  # more than the SDK's queue holds
                with telemetry.jobs.attempt(make_job(id=f"job-{number}")):
                    pass
        ids = {
            attribute.value.string_value for s in sink.spans for attribute in s.attributes if attribute.key == "job.id"
        }
        assert ids == {f"job-{number}" for number in range(2500)}


async def test_nothing_is_exported_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with OtlpSink() as sink:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", sink.url)
        telemetry = make_telemetry()
        async with telemetry.open():
            with telemetry.jobs.attempt(make_job()) as attempt:
                assert attempt.trace_id  # for the log lines
        assert sink.spans == []


async def test_a_collector_that_refuses_is_a_quiet_matter(read_lines: ReadLines) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        telemetry = make_telemetry(traces_url=f"http://127.0.0.1:{taken.getsockname()[1]}/v1/traces")
        async with telemetry.open():
            with telemetry.jobs.attempt(make_job()):
                pass
        assert {line["message"] for line in read_lines()} <= {"span_export_failed", "span_flush_timed_out"}


class Stuck(SpanExporter):
    """Never comes back, whatever the SDK's own limits say."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        with socket.socket() as never:
            never.bind(("127.0.0.1", 0))
            never.listen()
            never.accept()
        return SpanExportResult.SUCCESS


async def test_an_export_that_hangs_does_not_hold_up_the_stop(
    read_lines: ReadLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "FLUSH_SECONDS", 0.1)
    telemetry = make_telemetry(span_exporter=Stuck())
    async with telemetry.open():
        with telemetry.jobs.attempt(make_job()):
            pass
    assert [line["message"] for line in read_lines()] == ["span_flush_timed_out"]


def test_failing_exports_are_told_once_and_so_is_their_end() -> None:
    told: list[tuple[str, dict[str, int]]] = []
    results = iter([SpanExportResult.FAILURE] * 5 + [SpanExportResult.SUCCESS] * 2)

    class Flaky(SpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            return next(results)

    lost: list[int] = []
    exporter = QuietExporter(
        Flaky(), lambda message, level=logging.INFO, **facts: told.append((message, facts)), lost.append
    )
    for _ in range(7):
        exporter.export([ReadableSpan("x"), ReadableSpan("y")])
    assert told == [("span_export_failed", {"spans_lost": 2}), ("span_export_recovered", {"spans_lost": 10})]
    assert sum(lost) == 10, "the counter, for who does not read logs"


async def test_spans_name_their_service_and_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.namespace=cups,deployment.environment.name=staging")
    spans = Spans()
    telemetry = make_telemetry(span_exporter=spans.exporter)
    async with telemetry.open():
        with telemetry.jobs.attempt(make_job()):
            pass
    attributes = dict(spans.one("job.process").resource.attributes)
    expected = {
        "service.name": "jobs-service",
        "service.version": "1.2.3",
        "service.namespace": "cups",
        "deployment.environment.name": "staging",  # the standard's variables win
    }
    assert expected.items() <= attributes.items()
    assert attributes["service.instance.id"]


async def test_there_is_no_global_tracer_provider() -> None:
    async with make_telemetry().open():
        assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


async def test_a_telemetry_can_be_opened_again() -> None:
    spans = Spans()
    telemetry = make_telemetry(span_exporter=spans.exporter)
    for _ in range(2):
        async with telemetry.open():
            with telemetry.jobs.attempt(make_job()):
                pass
    assert wait_until(spans.all, "spans")
