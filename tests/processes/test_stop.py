"""What a stop keeps: jobs, attempts and spans. Real processes, real signals, a real collector."""

import os
import signal
import time

from service.lifecycle import SAME_SIGNAL_SECONDS
from tests.processes.conftest import StartService
from tests.processes.otlp import OtlpSink
from tests.processes.running import free_port
from tests.waiting import wait_until


def test_at_sigterm_running_jobs_finish_the_rest_stays_queued_and_every_span_arrives(
    start_service: StartService, otlp_sink: OtlpSink
) -> None:
    service = start_service(job_concurrency=4, drain_seconds=15, OTEL_EXPORTER_OTLP_ENDPOINT=otlp_sink.url)
    jobs = [service.submit(payload={"seconds": 1.5}) for _ in range(100)]

    assert service.stop() == 0

    stored = service.stored()
    ends = [stored[job["id"]] for job in jobs]
    assert set(ends) == {("succeeded", 1), ("queued", 0)}, "nothing lost, nothing left half"
    assert ends.count(("succeeded", 1)) >= 16
    assert len(otlp_sink.named("POST /jobs")) == 100
    assert len(otlp_sink.named("store.submit")) == 100
    assert len(otlp_sink.named("job.process")) == ends.count(("succeeded", 1))


def test_a_job_longer_than_the_drain_time_is_released_and_runs_later_as_attempt_1(start_service: StartService) -> None:
    service = start_service(workers=2, drain_seconds=0.3)
    job = service.submit(payload={"seconds": 600}, timeout_seconds=900)
    service.wait_for_state(job["id"], "running")

    assert service.stop() == 0
    assert service.lines("job_released", job_id=job["id"])

    again = start_service(workers=1)
    running = again.wait_for_state(job["id"], "running")
    assert running["attempt"] == 1
    assert [attempt["outcome"] for attempt in running["attempts"]] == ["released", None]


def test_a_dead_collector_does_not_hold_up_the_stop(start_service: StartService) -> None:
    service = start_service(workers=2, drain_seconds=1, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{free_port()}")
    for _ in range(20):
        service.submit(payload={"seconds": 0})
    service.signal(signal.SIGTERM)
    assert service.wait(bound_seconds=1 + 5) == 0


def test_a_second_sigterm_while_draining_corrupts_nothing(start_service: StartService) -> None:
    service = start_service(workers=2, drain_seconds=2)
    jobs = [service.submit(payload={"seconds": 30}) for _ in range(4)]
    for job in jobs:
        service.wait_for_state(job["id"], "running")
    service.signal(signal.SIGTERM)
    service.signal(signal.SIGTERM)
    for pid in service.worker_pids():
        os.kill(pid, signal.SIGTERM)
    assert service.wait() == 0
    assert {service.stored()[job["id"]] for job in jobs} == {("queued", 0)}


def test_a_second_sigterm_to_the_supervisor_releases_what_still_runs(start_service: StartService) -> None:
    """`docker stop` and `kill` reach nobody else, and the drain time may be long."""
    service = start_service(workers=2, drain_seconds=3600)
    jobs = [service.submit(payload={"seconds": 3600}, timeout_seconds=7200) for _ in range(4)]
    for job in jobs:
        service.wait_for_state(job["id"], "running")
    service.signal(signal.SIGTERM)
    wait_until(lambda: len(service.lines("stop_asked")) == 2, "both workers drain")
    heard = time.monotonic()
    wait_until(lambda: time.monotonic() - heard > 1.5 * SAME_SIGNAL_SECONDS, "a signal now counts as another one")
    service.signal(signal.SIGTERM)
    assert service.wait() == 0, "long before the drain time"
    assert {service.stored()[job["id"]] for job in jobs} == {("queued", 0)}


def test_one_worker_also_exits_with_0(start_service: StartService) -> None:
    service = start_service(workers=1)
    service.signal(signal.SIGINT)
    assert service.wait() == 0


def test_while_draining_a_post_is_still_taken_and_durable(start_service: StartService) -> None:
    service = start_service(workers=2, drain_seconds=3)
    long = service.submit(payload={"seconds": 60})
    service.wait_for_state(long["id"], "running")
    service.signal(signal.SIGTERM)
    wait_until(lambda: len(service.lines("worker_drained")) == 1, "the worker without a job has drained")
    late = [service.submit() for _ in range(10)]
    assert service.wait() == 0
    assert {service.stored()[job["id"]] for job in late} == {("queued", 0)}
