"""A handler that blocks its worker's event loop, for several leases but not for ever: who notices, and who does not."""

from pathlib import Path

from tests.processes.conftest import StartService
from tests.processes.gates import start_gates_beside
from tests.processes.running import WITH_EXTRA_KINDS, outcomes
from tests.waiting import wait_until

LEASES = 5


def test_a_blocked_loop_costs_no_sibling_its_lease_and_the_other_workers_go_on(
    start_service: StartService, tmp_path: Path
) -> None:
    service = start_service(module=WITH_EXTRA_KINDS, workers=4, lease_seconds=1, loop_stall_seconds=60)
    blocker = service.submit(kind="block", payload={"folder": str(tmp_path)})["id"]
    service.wait_for_state(blocker, "running")
    siblings = start_gates_beside(service, blocker, 3, tmp_path)
    blocked = service.owners()[blocker]

    (tmp_path / "go").touch()
    wait_until((tmp_path / "blocking").exists, "the loop is blocked")
    leases_then = service.leases()

    # Each on a connection of its own: one that the blocked worker took could not be answered before the block ends,
    # which comes after these.
    posted = [service.submit(payload={"seconds": 0})["id"] for _ in range(200)]
    for job_id in posted:
        assert service.job(job_id)["id"] == job_id

    def ended() -> bool:
        stored = service.stored()
        return all(stored[job_id] == ("succeeded", 1) for job_id in posted)

    def renewed() -> bool:
        leases = service.leases()
        return all((leases[each] or 0) >= (leases_then[each] or 0) + LEASES for each in (blocker, *siblings))

    wait_until(ended, "the other workers ran what was posted")
    wait_until(renewed, f"the block has lasted for {LEASES} leases, and each was renewed")
    assert service.job(blocker)["state"] == "running"
    assert {service.owners()[each] for each in (blocker, *siblings)} == {blocked}
    (tmp_path / "release").touch()

    for job_id in (blocker, *siblings):
        job = service.wait_for_state(job_id, "succeeded", "failed")
        assert (job["state"], job["attempt"], outcomes(job)) == ("succeeded", 1, ["succeeded"])
    assert service.lines("job_lease_expired") == []
    assert len(service.worker_pids()) == 4
    assert service.stop() == 0
