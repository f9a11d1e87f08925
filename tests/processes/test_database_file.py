"""The database file moved, replaced or deleted under the running service: refused while it is away, back by itself."""

import contextlib
import sqlite3
from functools import partial
from pathlib import Path

from tests.processes.conftest import StartService
from tests.processes.running import RunningService
from tests.waiting import wait_until


def refuses(service: RunningService) -> bool:
    post = service.client.post("/jobs", json={"kind": "sleep"})
    ready = service.client.get("/readyz")
    if post.status_code != 503 or ready.status_code != 503:
        return False
    assert post.headers["content-type"] == "application/problem+json"
    assert "Retry-After" in post.headers
    assert "database" in ready.json()["checks"]["database"]
    return service.client.get("/healthz").status_code == 200


def accepts(service: RunningService) -> bool:
    return service.client.post("/jobs", json={"kind": "sleep"}).status_code == 202 and service.ready()


def test_a_database_that_is_taken_away_is_a_503_and_comes_back_without_a_restart(
    start_service: StartService, tmp_path: Path
) -> None:
    service = start_service(workers=2, job_concurrency=0)
    acknowledged = [service.submit()["id"] for _ in range(20)]

    away = tmp_path / "away.db"
    service.database.rename(away)
    wait_until(lambda: refuses_everywhere(service), "moved: every worker refuses")
    away.rename(service.database)
    wait_until(lambda: accepts(service), "moved back: jobs are taken again")

    # The workers notice one by one, so a submission may still meet one that refuses.
    acknowledged += [wait_until(partial(submitted, service), "acknowledged") for _ in range(20)]
    copy = tmp_path / "copy.db"
    with contextlib.closing(sqlite3.connect(f"file:{service.database}?mode=ro", uri=True)) as database:
        database.execute("VACUUM INTO ?", [str(copy)])
    service.database.unlink()
    wait_until(lambda: refuses_everywhere(service), "deleted: every worker refuses")

    service.database.write_text("this is not a database")
    wait_until(lambda: refuses_everywhere(service), "replaced by something else: every worker refuses")

    copy.replace(service.database)
    wait_until(lambda: accepts(service), "replaced by a good copy: jobs are taken again")
    for job_id in acknowledged:
        wait_until(partial(found, service, job_id), "no acknowledged job is lost")
    assert service.stop() == 0


def refuses_everywhere(service: RunningService) -> bool:
    return all(refuses(service) for _ in range(6))  # a connection each, so that both workers are asked


def submitted(service: RunningService) -> str | None:
    """The id of an acknowledged job; None: refused, so nothing is stored."""
    answer = service.client.post("/jobs", json={"kind": "sleep"})
    assert answer.status_code in (202, 503), answer.text
    return str(answer.json()["id"]) if answer.status_code == 202 else None


def found(service: RunningService, job_id: str) -> bool:
    return service.client.get(f"/jobs/{job_id}").status_code == 200
