"""What Compose makes of compose.yaml, without the developer's own `.env` and shell."""

import functools
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@functools.cache
def engine_answers() -> bool:
    try:
        return subprocess.run(["docker", "version"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def require_engine() -> None:
    """Skips the test where no Docker Engine answers: the tests need Python alone. Continuous integration has one."""
    if not engine_answers():
        pytest.skip("no Docker Engine answers on this machine")


@functools.cache
def services(**environment: str) -> dict[str, dict[str, Any]]:
    """All services of all profiles, by name. Skips the test where there is no Docker Compose."""
    command = ["docker", "compose", "--env-file", "/dev/null", "--profile", "*", "config", "--format", "json"]
    # Nothing but what finds the program: a DOMAIN set in the shell must not decide.
    only = {"PATH": "/usr/local/bin:/opt/homebrew/bin:/usr/bin:/bin", "HOME": str(Path.home()), **environment}
    try:
        found = subprocess.run(command, cwd=ROOT, env=only, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no `docker` on this machine")
    if "is not a docker command" in found.stderr or "unknown flag: --env-file" in found.stderr:
        pytest.skip("`docker` has no Compose v2 on this machine")
    assert found.returncode == 0, found.stderr
    document: dict[str, dict[str, Any]] = json.loads(found.stdout)["services"]
    return document
