"""What a crash keeps. `kill -9` is the real one."""

import os
import signal
from pathlib import Path

from tests.processes.conftest import StartService
from tests.processes.running import WITH_EXTRA_KINDS, outcomes
from tests.waiting import wait_until


def test_jobs_of_a_killed_worker_run_again_after_the_lease_as_attempt_2(
    start_service: StartService, tmp_path: Path
) -> None:
    service = start_service(module=WITH_EXTRA_KINDS, workers=2, lease_seconds=1)
    jobs = [service.submit(kind="gate", payload={"folder": str(tmp_path)}) for _ in range(6)]
    for job in jobs:
        service.wait_for_state(job["id"], "running")
    owners = service.owners()
    owner = owners[jobs[0]["id"]]
    victim = service.lines("service_started", owner=owner)[0]["pid"]
    lost = [job["id"] for job in jobs if owners[job["id"]] == owner]

    os.kill(victim, signal.SIGKILL)
    (tmp_path / "release").touch()

    for job in jobs:
        ended = service.wait_for_state(job["id"], "succeeded", "failed")
        expected = (["lease_expired", "succeeded"], 2) if job["id"] in lost else (["succeeded"], 1)
        assert (outcomes(ended), ended["attempt"]) == expected
    wait_until(lambda: len(service.worker_pids()) == 3 and service.ready(), "the supervisor's new worker serves")
    assert service.stop() == 0


def test_a_worker_that_dies_while_it_is_asked_for_its_health_is_replaced_at_once(start_service: StartService) -> None:
    service = start_service(workers=2)
    victim = service.worker_pids()[0]
    os.kill(victim, signal.SIGSTOP)
    for _ in range(100):  # long enough that the supervisor has asked, and waits for up to 30 s
        assert service.ready()
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: len(service.worker_pids()) == 3, "another worker starts", bound_seconds=20)


def test_a_supervisor_killed_with_9_leaves_no_worker_behind(start_service: StartService) -> None:
    service = start_service(workers=2, drain_seconds=1)
    workers = service.worker_pids()
    service.signal(signal.SIGKILL)
    service.wait()

    def gone(pid: int) -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return False

    wait_until(lambda: all(gone(pid) for pid in workers), "the workers stop when their supervisor is gone")
