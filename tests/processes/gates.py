"""Jobs of the kind `gate`, which take a slot until the test lets them go by a file `release` in their folder."""

from pathlib import Path

from tests.processes.running import RunningService
from tests.waiting import wait_until


def start_gate(service: RunningService, folder: Path) -> str:
    """Its id, once it runs."""
    job_id = str(service.submit(kind="gate", payload={"folder": str(folder)})["id"])
    wait_until((folder / f"started-{job_id}").exists, "the gate runs")
    return job_id


def start_gates_beside(service: RunningService, job_id: str, number: int, folder: Path) -> list[str]:
    """Starts gates until so many of them run in the worker that runs this job."""
    gates: list[str] = []

    def beside() -> list[str]:
        gates.append(start_gate(service, folder))
        owners = service.owners()
        found = [gate for gate in gates if owners[gate] == owners[job_id]]
        return found if len(found) == number else []

    return wait_until(beside, "gates in the same worker")
