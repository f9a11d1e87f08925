"""Submissions and attempts: their metrics, lines and spans."""

import asyncio
import http.server
import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from service.domain.job import Outcome, QueueFull, State, StorageUnavailable
from service.domain.ports import JobObserver, Receipt, StoreObserver
from service.telemetry.context import RECEIVED_AT, facts
from service.telemetry.telemetry import Telemetry
from tests.telemetry.conftest import ReadLines
from tests.telemetry.making import NOW, Spans, make_job, make_telemetry, scraped, settlement

SAMPLED = f"00-{'ab' * 16}-{'cd' * 8}-01"
UNSAMPLED = SAMPLED[:-1] + "0"


async def samples(telemetry: Telemetry) -> dict[str, float]:
    lines = (await scraped(telemetry)).replace('worker="0",', "").replace('{worker="0"}', "").splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


def test_telemetry_implements_the_ports_of_the_domain() -> None:
    telemetry = make_telemetry()
    jobs: JobObserver = telemetry.jobs
    store: StoreObserver = telemetry.store
    assert jobs
    assert store


async def test_a_durable_submission_is_counted_and_timed_from_the_requests_arrival(read_lines: ReadLines) -> None:
    telemetry = make_telemetry()
    token = facts.set({RECEIVED_AT: time.perf_counter() - 100_000})
    try:
        with telemetry.jobs.submission(make_job()) as submission:
            submission.durable(Receipt(batch_size=4, waited_seconds=0.01))
    finally:
        facts.reset(token)
    seen = await samples(telemetry)
    assert seen['job_submit_seconds_count{outcome="accepted"}'] == 1
    assert seen['job_submit_seconds_bucket{outcome="accepted",le="10.0"}'] == 0
    assert seen['jobs_submitted_total{kind="sleep"}'] == 1


@pytest.mark.parametrize(
    ("error", "outcome", "reason"),
    [
        (QueueFull(), "rejected", "queue_full"),
        (StorageUnavailable(), "failed", "storage_unavailable"),
        (ValueError(), "failed", None),
    ],
)
async def test_a_refused_submission_is_counted_by_its_reason(
    error: Exception, outcome: str, reason: str | None
) -> None:
    telemetry = make_telemetry()
    with pytest.raises(type(error)), telemetry.jobs.submission(make_job()):
        raise error
    seen = await samples(telemetry)
    assert seen[f'job_submit_seconds_count{{outcome="{outcome}"}}'] == 1
    assert seen['jobs_submitted_total{kind="sleep"}'] == 0
    assert sum(value for name, value in seen.items() if name.startswith("jobs_rejected_total")) == (reason is not None)
    assert reason is None or seen[f'jobs_rejected_total{{reason="{reason}"}}'] == 1


async def test_the_submission_is_a_child_span_with_its_batch(read_lines: ReadLines) -> None:
    spans = Spans()
    telemetry = make_telemetry(span_exporter=spans.exporter)
    async with telemetry.open():
        with telemetry.jobs.attempt(make_job()), telemetry.jobs.submission(make_job()) as submission:
            submission.durable(Receipt(batch_size=4, waited_seconds=0.01))
    child, parent = spans.one("store.submit"), spans.one("job.process")
    assert child.parent is not None
    assert child.parent.span_id == parent.context.span_id
    assert (child.attributes or {})["store.batch_size"] == 4
    assert (child.attributes or {})["store.waited_seconds"] == 0.01


@pytest.mark.parametrize(
    ("outcome", "message", "level"),
    [
        (Outcome.SUCCEEDED, "job_succeeded", "info"),
        (Outcome.RETRIED, "job_retried", "warning"),
        (Outcome.FAILED, "job_failed", "error"),
        (Outcome.CANCELLED, "job_cancelled", "info"),
        (Outcome.RELEASED, "job_released", "info"),
        (None, "job_finish_fenced", "warning"),
    ],
)
async def test_an_attempt_has_one_line(
    read_lines: ReadLines, outcome: Outcome | None, message: str, level: str
) -> None:
    telemetry = make_telemetry(span_exporter=Spans().exporter)
    job = make_job(attempt=3)
    async with telemetry.open():
        with telemetry.jobs.attempt(job) as attempt:
            attempt.settled(outcome, settlement(job, outcome or Outcome.SUCCEEDED, "Boom: no"), ValueError("no"))
    (line,) = read_lines()
    assert line.pop("trace_id") == attempt.trace_id
    assert line.pop("elapsed") >= 0
    assert ("exception" in line) is (outcome is Outcome.FAILED)
    expected = {
        "message": message,
        "level": level,
        "job_id": "job-1",
        "kind": "sleep",
        "attempt": 3,
        "waited": 2,
        "request_id": "request-1",
        "user_id": "ada",
        "error": "Boom: no",
    }
    assert expected.items() <= line.items()


@pytest.mark.parametrize("outcome", [*(o for o in Outcome if o is not Outcome.LEASE_EXPIRED), None])
async def test_an_attempt_is_measured(read_lines: ReadLines, outcome: Outcome | None) -> None:
    telemetry = make_telemetry()
    job = make_job()
    with telemetry.jobs.attempt(job) as attempt:
        attempt.settled(outcome, settlement(job, outcome or Outcome.SUCCEEDED), None)
    seen = await samples(telemetry)
    ended = outcome or "fenced"
    assert seen[f'jobs_attempts_total{{kind="sleep",outcome="{ended}"}}'] == 1
    assert seen[f'job_run_seconds_count{{kind="sleep",outcome="{ended}"}}'] == 1
    assert seen['job_wait_seconds_sum{kind="sleep"}'] == 2
    terminal = outcome in (Outcome.SUCCEEDED, Outcome.FAILED, Outcome.CANCELLED)
    assert seen['job_completion_seconds_count{kind="sleep"}'] == terminal
    assert seen['job_completion_seconds_sum{kind="sleep"}'] == (5 if terminal else 0)
    assert seen["job_finishes_fenced_total"] == (outcome is None)


async def test_a_wall_clock_that_steps_back_gives_no_negative_wait(read_lines: ReadLines) -> None:
    telemetry = make_telemetry()
    with telemetry.jobs.attempt(make_job(started_at=NOW - 50)):
        pass
    assert (await samples(telemetry))['job_wait_seconds_sum{kind="sleep"}'] == 0


async def test_a_kind_that_is_no_longer_served_adds_one_series_at_most(read_lines: ReadLines) -> None:
    telemetry = make_telemetry()
    for kind in ("old", "older"):
        with telemetry.jobs.attempt(make_job(kind=kind)):
            pass
    assert (await samples(telemetry))['job_wait_seconds_count{kind="unknown"}'] == 2


async def test_an_expired_lease_is_a_line_and_a_count(read_lines: ReadLines) -> None:
    telemetry = make_telemetry()
    telemetry.jobs.lease_expired(make_job(state=State.FAILED, finished_at=NOW + 9))
    (line,) = read_lines()
    assert (line["message"], line["level"], line["state"]) == ("job_lease_expired", "warning", "failed")
    assert (line["job_id"], line["request_id"], line["user_id"]) == ("job-1", "request-1", "ada")
    seen = await samples(telemetry)
    assert seen["job_leases_expired_total"] == 1
    assert seen['jobs_attempts_total{kind="sleep",outcome="lease_expired"}'] == 1
    assert seen['job_completion_seconds_sum{kind="sleep"}'] == 9


async def test_slots_and_commits_are_shown() -> None:
    telemetry = make_telemetry()
    telemetry.jobs.slots(3, 13)
    telemetry.store.committed(0.003, 7)
    telemetry.store.busy()
    seen = await samples(telemetry)
    assert (seen['job_slots{state="busy"}'], seen['job_slots{state="free"}']) == (3, 13)
    assert (seen["store_commit_seconds_sum"], seen["store_commit_batch_size_sum"], seen["store_busy_total"]) == (
        0.003,
        7,
        1,
    )


def test_lines_within_an_attempt_name_its_job(read_lines: ReadLines) -> None:
    with make_telemetry().jobs.attempt(make_job()):
        logging.getLogger("lib").warning("from a library")
    logging.getLogger("lib").warning("after it")
    within, after = read_lines()
    assert (within["job_id"], within["request_id"], within["user_id"]) == ("job-1", "request-1", "ada")
    assert "job_id" not in after


async def attempt_span(**job: Any) -> ReadableSpan | None:
    spans = Spans()
    telemetry = make_telemetry(span_exporter=spans.exporter)
    async with telemetry.open():
        with telemetry.jobs.attempt(make_job(**job)) as attempt:
            assert attempt.trace_id
    return next(iter(spans.all()), None)


async def test_the_first_attempt_is_a_child_of_the_request() -> None:
    span = await attempt_span(traceparent=SAMPLED)
    assert span is not None
    assert (span.name, span.kind) == ("job.process", SpanKind.CONSUMER)
    assert f"{span.context.trace_id:032x}" == "ab" * 16
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == "cd" * 8
    assert span.links == ()
    expected = {"job.id": "job-1", "job.kind": "sleep", "job.attempt": 1, "messaging.message.id": "job-1"}
    assert expected.items() <= dict(span.attributes or {}).items()


@pytest.mark.parametrize(
    "changed",
    [{"attempt": 2, "version": 4}, {"attempt": 2, "version": 4, "lease_expired": True}, {"version": 4}],
    ids=["a retry", "after a crash", "after a release"],
)
async def test_a_later_attempt_is_a_trace_of_its_own_linked_to_the_request(changed: dict[str, Any]) -> None:
    span = await attempt_span(traceparent=SAMPLED, trace_id="ab" * 16, **changed)
    assert span is not None
    assert span.parent is None
    assert f"{span.context.trace_id:032x}" == make_job(trace_id="ab" * 16, **changed).run_trace_id != "ab" * 16
    (link,) = span.links
    assert (f"{link.context.trace_id:032x}", f"{link.context.span_id:016x}") == ("ab" * 16, "cd" * 8)
    assert [event.name for event in span.events] == (["lease_expired"] if "lease_expired" in changed else [])


@pytest.mark.parametrize("version", [2, 4])
async def test_all_attempts_follow_the_sampling_of_the_request(version: int) -> None:
    assert await attempt_span(traceparent=UNSAMPLED, version=version) is None
    assert await attempt_span(traceparent=SAMPLED, version=version) is not None


async def test_a_cancel_asked_for_before_the_run_was_seen_leaves_it_the_first() -> None:
    span = await attempt_span(traceparent=SAMPLED, version=3, cancel_requested=True)
    assert span is not None
    assert span.parent is not None


async def test_an_attempt_without_a_request_is_a_root() -> None:
    span = await attempt_span(attempt=2)
    assert span is not None
    assert (span.parent, span.links) == (None, ())


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize("error", [ValueError("no"), Unprintable(), ValueError("\udcff")], ids=type)
async def test_a_failed_attempt_has_a_failed_span(read_lines: ReadLines, error: Exception) -> None:
    spans = Spans()
    telemetry = make_telemetry(span_exporter=spans.exporter)
    job = make_job()
    async with telemetry.open():
        with telemetry.jobs.attempt(job) as attempt:
            attempt.settled(Outcome.FAILED, settlement(job, Outcome.FAILED, "no"), error)
    span = spans.one("job.process")
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "no")
    assert dict(span.attributes or {}).items() >= {"job.outcome": "failed", "error.type": type(error).__name__}.items()
    assert [event.name for event in span.events] == ["exception"]


@pytest.fixture
def web_url() -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/hook?token=hidden&a=1"
        server.shutdown()


async def test_http_calls_of_a_handler_are_children_of_its_attempt(read_lines: ReadLines, web_url: str) -> None:
    spans = Spans()
    telemetry = make_telemetry(span_exporter=spans.exporter)
    async with telemetry.open(), httpx.AsyncClient(trust_env=False) as client:
        with telemetry.jobs.attempt(make_job()):
            await asyncio.create_task(client.get(web_url))
    async with httpx.AsyncClient(trust_env=False) as client:
        await client.get(web_url)  # no longer instrumented
    call, attempt = spans.one("GET"), spans.one("job.process")
    assert call.parent is not None
    assert call.parent.span_id == attempt.context.span_id
    attributes = dict(call.attributes or {})
    assert attributes["http.response.status_code"] == 204
    assert str(attributes["url.full"]).endswith("/hook?token=[redacted]&a=1")
    assert len(spans.all()) == 2
