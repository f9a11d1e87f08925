"""Two versions on one database, as during an upgrade: this one, and a next release that expands the schema."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import service
from service.store.revision import REVISION
from tests.processes.conftest import StartService
from tests.processes.running import ROOT, RunningService
from tests.waiting import wait_until

FOLLOWING = ROOT / "tests/store/following/0003_following.py"
KEYS = ROOT / "secrets/development/api_keys"


@pytest.fixture
def next_release(tmp_path: Path) -> Path:
    """This code at the next revision: with its migration, and nothing else changed."""
    code = tmp_path / "next"
    shutil.copytree(Path(service.__file__).parent, code / "service", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(FOLLOWING, code / "service/store/migrations/versions")
    known = code / "service/store/revision.py"
    known.write_text(known.read_text().replace(f'REVISION = "{REVISION}"', 'REVISION = "0003"'))
    return code


def test_the_version_before_works_on_beside_the_next_one_and_without_it(
    start_service: StartService, next_release: Path
) -> None:
    old = start_service(workers=2, lease_seconds=2)
    with submitting(old) as acknowledged:
        wait_until(lambda: len(acknowledged) > 20, "the old version takes jobs")
        new = start_service(code=next_release, workers=2, api_keys_file=KEYS)
        before = len(acknowledged)
        wait_until(lambda: len(acknowledged) > before + 20, "and takes them on the new schema")
    assert revision_in(old.database) == "0003"
    assert old.ready()
    acknowledged += [new.submit()["id"] for _ in range(20)]

    # Workers of the old version that start on the new schema.
    for victim in old.worker_pids():
        os.kill(victim, signal.SIGKILL)
    wait_until(lambda: len(old.worker_pids()) == 4, "the old version's workers are replaced")
    assert new.stop() == 0
    wait_until(old.ready, "they serve")
    acknowledged += [old.submit()["id"] for _ in range(20)]
    for job_id in acknowledged:
        old.wait_for_state(job_id, "succeeded")
    assert {line["pid"] for line in old.lines("job_succeeded")} & set(old.worker_pids()[2:])

    # The old version starts again, as after a return to it.
    assert old.stop() == 0
    again = start_service(workers=2)
    again.wait_for_state(again.submit()["id"], "succeeded")
    assert revision_in(again.database) == "0003"


def test_a_contraction_is_refused_beside_the_version_before_and_refuses_it_afterwards(
    start_service: StartService, next_release: Path
) -> None:
    migration = next_release / "service/store/migrations/versions" / FOLLOWING.name
    migration.write_text(f'{migration.read_text()}\n\noldest = "0003"\n')
    old = start_service(workers=1)
    refused = run(next_release, "check", "--beside", database=old.database)
    assert refused.returncode == 2
    assert "leave no version before 0003 working, and the database is at 0002" in refused.stderr
    assert run(ROOT, "check", "--beside", database=old.database).returncode == 0
    assert old.stop() == 0

    new = start_service(code=next_release, workers=1, api_keys_file=KEYS)
    says = (
        "SERVICE_DATABASE_URL: database is at schema revision 0003, which needs a version with 0003; this one has 0002"
    )
    for command in (["check", "--beside"], ["serve"]):
        refused = run(ROOT, *command, database=new.database)
        assert (refused.returncode, refused.stderr.strip()) == (2, says)
    new.wait_for_state(new.submit()["id"], "succeeded")


def run(code: Path, *command: str, database: Path) -> subprocess.CompletedProcess[str]:
    settings = ("--database-url", f"sqlite:///{database}", "--api-keys-file", str(KEYS))
    return subprocess.run(
        [sys.executable, "-m", "service", *command, *settings], cwd=code, capture_output=True, text=True, check=False
    )


@contextmanager
def submitting(running: RunningService) -> Iterator[list[str]]:
    """Meanwhile a client submits one job after another. Each must be taken."""
    acknowledged: list[str] = []
    problems: list[BaseException] = []
    ended = threading.Event()

    def submit() -> None:
        try:
            while not ended.is_set():
                acknowledged.append(running.submit(payload={"seconds": 0.05})["id"])
        except BaseException as problem:
            problems.append(problem)

    client = threading.Thread(target=submit)
    client.start()
    try:
        yield acknowledged
    finally:
        ended.set()
        client.join()
    assert not problems


def revision_in(database: Path) -> str:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        (found,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(found)
