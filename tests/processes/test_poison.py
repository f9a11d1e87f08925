"""Jobs that harm whoever runs them: each ends `failed` with its history, and nothing else is lost."""

import itertools
from pathlib import Path
from typing import Any

from tests.processes.conftest import StartService
from tests.processes.gates import start_gate, start_gates_beside
from tests.processes.running import WITH_EXTRA_KINDS, outcomes
from tests.waiting import wait_until


def test_a_job_that_raises_each_time_fails_after_its_attempts_and_tells_each_of_them(
    start_service: StartService,
) -> None:
    service = start_service(workers=2)
    submitted = service.submit(payload={"seconds": 0, "fail_attempts": 1000}, max_attempts=3)

    job = service.wait_for_state(submitted["id"], "failed", "succeeded")

    assert (job["state"], job["attempt"], job["finished_at"]) == ("failed", 3, job["attempts"][-1]["finished_at"])
    assert outcomes(job) == ["retried", "retried", "failed"]
    for number, attempt in enumerate(job["attempts"], 1):
        assert attempt["number"] == number
        assert attempt["error"].startswith(f"RuntimeError: attempt {number} fails")
        assert attempt["started_at"] <= attempt["finished_at"]
    assert job["error"] == job["attempts"][-1]["error"]
    traces = [attempt["trace_id"] for attempt in job["attempts"]]
    assert traces[0] == job["trace_id"], "the first attempt is part of the submission's trace"
    assert len(set(traces)) == 3, "each later one is a trace of its own"
    wait_until(lambda: service.lines("job_failed", job_id=job["id"]), "what is stored is logged")
    lines = [line for name in ("job_retried", "job_failed") for line in service.lines(name, job_id=job["id"])]
    assert [line["trace_id"] for line in lines] == traces
    assert {line["request_id"] for line in lines} == {job["request_id"]}


def test_a_job_that_kills_its_process_each_time_fails_and_other_jobs_succeed_meanwhile(
    start_service: StartService,
) -> None:
    service = start_service(module=WITH_EXTRA_KINDS, workers=2, lease_seconds=1)
    keys = map(str, itertools.count())

    def submit(**fields: Any) -> str:
        answer = service.ask_again("POST", "/jobs", fields, {"Idempotency-Key": next(keys)})
        assert answer.status == 202
        return str(answer.json()["id"])

    poison = submit(kind="kill", max_attempts=3)
    others: list[str] = []

    def is_over() -> bool:
        state, attempt = service.stored()[poison]
        if len(others) < 10 * (attempt + 1):
            others.append(submit(kind="sleep", payload={"seconds": 0.05}))
        return state == "failed"

    wait_until(is_over, "the poison job failed")
    job = service.wait_for_state(poison, "failed")
    assert job["attempt"] == 3
    assert outcomes(job) == ["lease_expired"] * 3
    assert {attempt["error"] for attempt in job["attempts"]} == {"the worker's lease expired"}
    assert job["attempts"][0]["trace_id"] == job["trace_id"]
    assert len({attempt["trace_id"] for attempt in job["attempts"]}) == 3, "each has one, although its worker died"
    wait_until(lambda: len(service.lines("job_lease_expired", job_id=poison)) == 3, "what is stored is logged")
    for each in others:
        other = service.wait_for_state(each, "succeeded", "failed")
        assert other["state"] == "succeeded"
        assert outcomes(other)[-1] == "succeeded"
        assert set(outcomes(other)[:-1]) <= {"lease_expired"}, "it cost them their worker, and no more"
    assert len(service.stored()) == 1 + len(others)
    wait_until(lambda: len(service.worker_pids()) == 2 + 3 and service.ready(), "a worker for each that was killed")
    assert service.stop() == 0


def test_a_job_that_blocks_the_loop_for_ever_fails_and_its_siblings_run_again(
    start_service: StartService, tmp_path: Path
) -> None:
    service = start_service(module=WITH_EXTRA_KINDS, workers=2, lease_seconds=1, loop_stall_seconds=2)
    poison = service.submit(kind="block_forever", payload={"folder": str(tmp_path)}, max_attempts=2)
    service.wait_for_state(poison["id"], "running")
    siblings = start_gates_beside(service, poison["id"], 2, tmp_path)

    (tmp_path / "go").touch()

    wait_until(lambda: service.stored()[poison["id"]][0] == "failed", "the poison job failed")
    (tmp_path / "release").touch()
    stalled = service.lines("event_loop_stalled")
    assert len(stalled) == 2
    for line in stalled:
        assert line["level"] == "critical"
        assert line["seconds"] >= 2
        assert line["exception"].startswith("Thread MainThread:")
        assert "in block_forever" in line["exception"].split("Thread ")[1], "the log names the handler"
    assert len({line["pid"] for line in stalled}) == 2
    for each in siblings:
        sibling = service.wait_for_state(each, "succeeded", "failed")
        # Twice, if it went on in the very worker in which the poison job did.
        assert outcomes(sibling) in (["lease_expired", "succeeded"], ["lease_expired", "lease_expired", "succeeded"])
        assert sibling["attempt"] == len(sibling["attempts"])
    job = service.wait_for_state(poison["id"], "failed")
    assert (job["attempt"], outcomes(job), job["error"]) == (2, ["lease_expired"] * 2, "the worker's lease expired")
    wait_until(lambda: len(service.worker_pids()) == 2 + 2 and service.ready(), "a worker for each that was ended")
    after = service.submit(payload={"seconds": 0})
    assert service.wait_for_state(after["id"], "succeeded", "failed")["attempt"] == 1
    assert service.stop() == 0


def test_a_handler_that_exits_or_swallows_its_cancel_or_returns_no_json_harms_no_sibling(
    start_service: StartService, tmp_path: Path
) -> None:
    service = start_service(module=WITH_EXTRA_KINDS, workers=1)
    siblings = [start_gate(service, tmp_path) for _ in range(4)]
    exits, not_json, swallows = (
        service.submit(kind=kind, max_attempts=2)["id"] for kind in ("exit", "not_json", "swallow")
    )
    service.wait_for_state(swallows, "running")
    assert service.ask("POST", f"/jobs/{swallows}/cancel").status == 202

    exited = service.wait_for_state(exits, "failed")
    assert outcomes(exited) == ["retried", "failed"]
    assert "sys.exit" in exited["error"]
    no_json = service.wait_for_state(not_json, "failed")
    assert outcomes(no_json) == ["failed"], "it would not be JSON the next time either"
    assert "not JSON" in no_json["error"]
    cancelled = service.wait_for_state(swallows, "cancelled")
    assert outcomes(cancelled) == ["cancelled"]
    wait_until(lambda: service.lines("handler_ignored_cancellation", job_id=swallows), "what is stored is logged")

    (tmp_path / "release").touch()
    for each in siblings:
        sibling = service.wait_for_state(each, "succeeded", "failed")
        assert (sibling["state"], outcomes(sibling)) == ("succeeded", ["succeeded"])
    assert len(service.worker_pids()) == 1, "one process has borne it all"
    assert service.stop() == 0, "although a handler still runs that will never end"
