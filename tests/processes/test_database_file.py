"""The database file moved, replaced or deleted under the running service: refused while it is away, back by itself."""

import shutil
import sqlite3
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("way", ["moved", "deleted", "replaced"])
def test_a_database_that_is_taken_away_is_a_503_and_comes_back_without_a_restart(
    start_service: StartService, tmp_path: Path, way: str
) -> None:
    service = start_service(workers=2, job_concurrency=0)
    acknowledged = [service.submit()["id"] for _ in range(20)]
    copy, away = tmp_path / "copy.db", tmp_path / "away.db"
    with sqlite3.connect(f"file:{service.database}?mode=ro", uri=True) as database:
        database.execute("VACUUM INTO ?", [str(copy)])
    if way == "deleted":
        service.database.unlink()
    else:
        service.database.rename(away)
    if way == "replaced":
        service.database.write_text("this is not a database")

    for _ in range(6):  # over both workers
        wait_until(lambda: refuses(service), "503 from POST and /readyz, 200 from /healthz")

    if way == "moved":
        away.rename(service.database)
    else:
        shutil.copy(copy, tmp_path / "returning.db")
        (tmp_path / "returning.db").replace(service.database)
    wait_until(lambda: accepts(service), "jobs are taken again")
    for job_id in acknowledged:
        wait_until(lambda: service.client.get(f"/jobs/{job_id}").status_code == 200, "no acknowledged job is lost")  # noqa: B023
    assert service.stop() == 0
