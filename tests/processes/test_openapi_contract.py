"""What the service says of itself in OpenAPI, held against what it does: schemathesis makes requests from it."""

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from service import handlers
from service.domain.job import NonRetryable
from service.domain.ports import Context
from service.settings import Settings
from tests.processes.conftest import StartService

if TYPE_CHECKING:
    from fastapi import FastAPI

PHASES = {"examples", "coverage", "fuzzing", "stateful"}
EXAMPLES = "500" if os.environ.get("CI_FULL") == "1" else "100"
USERS = ("alice", "bob")

CONFIGURATION = """
# The first event tells the form of all; a job that waits for the year 2999 would be followed until the time-out.
max-stream-events = 1
request-timeout = 30.0

# A client that has seen the last event of such a job gets none.
[[operations]]
include-path = "/jobs/{id}/events"
request-timeout = 2.0

# Two users who may not see each other's jobs, without whom the check of this would have nothing to do.
[auth.wfc]
path = "users.json"
peers = ["alice", "bob"]
"""
OPTIONS = (
    *("--checks", "all"),
    *("--max-examples", EXAMPLES),
    *("--workers", "1"),  # CPython 3.11's parser, which Hypothesis calls, fails now and then in several threads at once
    *("--seed", "1"),
    *("--generation-database", "none"),  # what an earlier run has found does not change this one
    *("--suppress-health-check", "too_slow"),  # this judges the machine, which runs other tests at the same time
    "--no-color",
)


def test_schemathesis_finds_no_difference_between_the_document_and_the_service(
    start_service: StartService, tmp_path: Path
) -> None:
    (tmp_path / "keys").write_text("".join(f"{user}:{user}:{_digest(user)}\n" for user in USERS))
    service = start_service(module=__name__, workers=2, job_concurrency=200, api_keys_file=tmp_path / "keys")

    output, report = run_schemathesis(f"{service.url}/openapi.json", tmp_path)

    assert report["exit_code"] == 0, output
    assert report["complete"], output
    assert report["operations"]["tested"] == report["operations"]["total"] == 6, output
    assert {name for name, phase in report["phases"].items() if phase["status"] == "success"} == PHASES, output
    assert report["test_cases"]["generated"] > 800, output
    assert not any(report["warnings"].values()), output
    for operation, phases in report["valid_rates"].items():
        assert any(rate["accepted"] for rate in phases.values()), f"{operation} did nothing:\n{output}"
    statuses = Counter(line["status_code"] for line in service.lines("request_finished"))
    assert not [status for status in statuses if status >= 500], f"{statuses}\n{output}"
    assert set(statuses) >= {200, 202, 400, 401, 404, 405, 409, 415, 422}, f"{statuses}\n{output}"


def run_schemathesis(document: str, folder: Path) -> tuple[str, dict[str, Any]]:
    """What it prints, and its report as JSON. It reads its configuration from the folder that it runs in."""
    (folder / "schemathesis.toml").write_text(CONFIGURATION)
    keys = [{"name": "Authorization", "value": f"Bearer {user}"} for user in USERS]
    users = [{"name": user, "fixedHeaders": [key]} for user, key in zip(USERS, keys, strict=True)]
    (folder / "users.json").write_text(json.dumps({"auth": users}))
    report = folder / "report.json"
    command = [sys.executable, "-m", "schemathesis.cli", "run", document, *OPTIONS, "--report-json-path", str(report)]
    ran = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=1200)
    assert report.exists(), ran.stdout
    return ran.stdout, json.loads(report.read_text()) | {"exit_code": ran.returncode}


def _digest(user: str) -> str:
    return hashlib.sha256(user.encode()).hexdigest()  # each user's key is the user's name


async def _not_sent(payload: Mapping[str, Any], context: Context) -> Any:
    raise NonRetryable("a test sends nothing to the hosts that a generator makes up")


async def _not_counted(payload: Mapping[str, Any], context: Context) -> Any:
    return {"count": 0}  # hundreds of jobs with primes up to 50 million would take the machine from the requests


def application(settings: Settings, traces_url: str | None) -> "FastAPI":
    """The service with its own kinds, of which two do no work."""
    from service.app import create_app

    kinds = handlers.discover()
    idle = {"webhook": _not_sent, "primes": _not_counted}
    kinds |= {name: replace(kinds[name], handler=handler) for name, handler in idle.items()}
    return create_app(settings, kinds=kinds, traces_url=traces_url)


if __name__ == "__main__":
    from service.__main__ import main
    from tests.processes import test_openapi_contract  # a spawned process finds the function by this name

    with patch("service.__main__.application", test_openapi_contract.application):
        sys.exit(main(sys.argv[1:]))
