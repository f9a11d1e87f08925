"""One answer for all workers, whichever of them is asked."""

import os
import signal

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.processes.conftest import StartService
from tests.processes.running import RunningService
from tests.waiting import wait_until

OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}


def samples(service: RunningService) -> list[tuple[str, dict[str, str], float, object]]:
    text = service.client.get("/metrics", headers=OPENMETRICS).text
    families = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    return [(s.name, s.labels, s.value, s.exemplar) for f in families for s in f.samples]


def submissions(service: RunningService) -> float:
    wanted = {"route": "/jobs", "method": "POST"}
    return sum(
        value
        for name, labels, value, _ in samples(service)
        if name == "http_requests_total" and wanted.items() <= labels.items()
    )


def test_400_submissions_count_exactly_400_whichever_worker_is_asked(start_service: StartService) -> None:
    service = start_service(workers=4)
    for _ in range(400):
        service.submit(payload={"seconds": 0})
    assert {submissions(service) for _ in range(12)} == {400}
    found = samples(service)
    by_worker = {labels["worker"] for name, labels, value, _ in found if name == "process_cpu_seconds_total" and value}
    assert by_worker == {"0", "1", "2", "3"}
    exemplars = [e for name, _, _, e in found if name == "job_submit_seconds_bucket" and e]
    assert exemplars
    assert all(len(e.labels["trace_id"]) == 32 for e in exemplars)  # type: ignore[attr-defined]
    succeeded = [value for name, labels, value, _ in found if name == "jobs" and labels == {"state": "succeeded"}]
    assert len(succeeded) == 1, "a fact of the database is exported once, without a worker"


def test_a_killed_worker_keeps_its_label_when_it_is_respawned(start_service: StartService) -> None:
    service = start_service(workers=2)

    def up() -> dict[str, float]:
        return {labels["worker"]: value for name, labels, value, _ in samples(service) if name == "worker_up"}

    assert up() == {"0": 1, "1": 1}
    os.kill(service.worker_pids()[0], signal.SIGKILL)
    wait_until(lambda: len(service.worker_pids()) == 3, "the supervisor starts another")
    wait_until(lambda: up() == {"0": 1, "1": 1}, "both labels answer again")
