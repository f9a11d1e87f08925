"""Runs an experiment in a container of its own: the same code, with a disk, a clock or a limit that can be broken."""

import json
import os
import subprocess
from pathlib import Path

from tests.faults.experiment import REGISTRY, Report

ROOT = Path(__file__).parents[2]
IMAGE = "jobs-faults:dev"
REPORT = "report.json"
FOLDER = "/out"
LAST_LINES = 30


def run(name: str, seed: int, full: bool, folder: Path) -> Report:
    """Raises `RuntimeError` with the container's last words when there is no report."""
    _build()
    options = REGISTRY[name].container or ()
    command = [
        *("docker", "run", "--rm", "--network", "none", "--cap-drop", "ALL", "--user", f"{os.getuid()}:{os.getgid()}"),
        *("--volume", f"{ROOT}:/app:ro", "--volume", f"{folder}:{FOLDER}"),
        *options,
        *(IMAGE, name, "--seed", str(seed), "--inside", FOLDER, *(["--full"] if full else [])),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    report = folder / REPORT
    if not report.exists():
        words = "\n".join((ended.stdout + ended.stderr).splitlines()[-LAST_LINES:])
        raise RuntimeError(f"no report of {name!r}; exit code {ended.returncode}:\n{words}")
    return Report.read(json.loads(report.read_text()))


def _build() -> None:
    command = ["docker", "build", "--quiet", "--file", "tests/faults/Dockerfile", "--tag", IMAGE, "."]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if built.returncode != 0:
        raise RuntimeError(f"the image of the experiments cannot be built; is Docker there?\n{built.stderr[-2000:]}")
