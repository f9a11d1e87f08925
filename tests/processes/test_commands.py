"""The commands as a user types them."""

import json
import os
import resource
import socket
import subprocess
import sys
from pathlib import Path

from tests.processes.conftest import StartService
from tests.processes.running import KEY, ROOT


def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SERVICE_")}
    return subprocess.run(
        [sys.executable, "-m", "service", *arguments],
        cwd=ROOT,
        env=clean | settings,
        capture_output=True,
        text=True,
        check=False,
    )


def test_check_says_all_that_is_wrong_and_exits_with_2_before_a_worker_starts() -> None:
    wrong = {"SERVICE_WORKERS": "0", "SERVICE_LEASE_SECONDS": "soon"}
    for command in ("check", "serve"):
        found = run(command, **wrong)
        assert found.returncode == 2
        assert "SERVICE_WORKERS" in found.stderr
        assert "SERVICE_LEASE_SECONDS" in found.stderr
        assert "Traceback" not in found.stderr


def test_check_passes_with_the_defaults() -> None:
    found = run("check", "--stack")
    assert (found.returncode, found.stderr) == (0, "")
    assert "SQLite" in found.stdout


def test_a_port_that_is_taken_is_said_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        found = run("--port", str(taken.getsockname()[1]), "--database-url", f"sqlite:///{tmp_path}/jobs.db")
    assert found.returncode == 2
    assert "choose another --port" in found.stderr
    assert "Traceback" not in found.stderr


def test_an_unknown_command_names_the_known_ones() -> None:
    found = run("sevre")
    assert found.returncode == 2
    for command in ("serve", "check", "ping", "api-key"):
        assert command in found.stderr


def test_a_new_key_works_once_its_line_is_in_the_file(start_service: StartService, tmp_path: Path) -> None:
    made = json.loads(run("api-key", "ada-laptop", "ada", "--json").stdout)
    keys = tmp_path / "keys"
    keys.write_text(made["line"] + "\n")
    service = start_service(workers=1, api_keys_file=keys)
    assert service.client.get("/jobs", headers={"Authorization": f"Bearer {made['key']}"}).status_code == 200
    assert service.client.get("/jobs", headers=KEY).status_code == 401
    assert made["key"] not in keys.read_text()


def test_ping_says_whether_the_service_is_ready(start_service: StartService) -> None:
    service = start_service(workers=1)
    answered = run("ping", SERVICE_PORT=str(service.port))
    assert answered.returncode == 0
    assert json.loads(answered.stdout)["checks"] == {"database": "ok", "worker": "ok", "draining": "no"}
    service.stop()
    assert run("ping", SERVICE_PORT=str(service.port)).returncode == 1


def test_a_low_limit_of_open_files_is_raised_for_the_workers(start_service: StartService) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        (worker,) = start_service(workers=1).worker_pids()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if sys.platform == "linux":
        assert resource.prlimit(worker, resource.RLIMIT_NOFILE) == (hard, hard)
