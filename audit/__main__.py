"""Asks OSV, by pip-audit, about every package of every lock: `python -m audit [--strict] [--url URL] [LOCK …]`.

Exit 0: nothing known. 1: findings, each with what to do. 2: the database could not be asked, and `--strict`. Else that
is said in one line, and the exit code is 0: a machine without a way out shall not look clean, nor stop all work.

All versions are asked about, also those that a lock has for another Python or system than this one.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
URL = "https://api.osv.dev/v1/query"
PINNED = re.compile(r"^([\w.-]+)(?:\[[\w,.-]+\])?==([\w.!+-]+)", re.MULTILINE)
FINDINGS_EXIT_CODE, NOT_ASKED_EXIT_CODE = 1, 2
TIMEOUT_SECONDS = "10"

Pin = tuple[str, str]
"""Name and version."""


class NotAsked(Exception):
    """The database did not answer, or pip-audit failed; nothing is known."""


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m audit", description=__doc__)
    parser.add_argument("--strict", action="store_true", help="fail if the database cannot be asked")
    parser.add_argument("--url", default=URL, help="of OSV's query, or of your mirror")
    parser.add_argument("locks", nargs="*", type=Path, help="default: every requirements*.txt")
    options = parser.parse_args(arguments)
    pins = pinned(options.locks or locks())
    try:
        findings = [finding for group in _one_version_each(pins) for finding in asked(group, options.url)]
    except NotAsked as problem:
        print(
            f"AUDIT NOT DONE: nothing is known about {len(pins)} packages, as {options.url} did not answer: {problem}"
        )
        return NOT_ASKED_EXIT_CODE if options.strict else 0
    for name, version, advisory in findings:
        print(_advice(name, version, advisory, pins[name, version]))
    known = f"{len(findings)} advisories" if findings else "no advisory"
    print(
        f"audit: {known} about {len(pins)} packages of {len({lock for each in pins.values() for lock in each})} locks"
    )
    return FINDINGS_EXIT_CODE if findings else 0


def locks() -> list[Path]:
    found = [*ROOT.glob("requirements*.txt"), *ROOT.glob("*/requirements*.txt")]
    return sorted(path for path in found if not path.is_relative_to(ROOT / ".venv"))


def pinned(paths: Iterable[Path]) -> Mapping[Pin, list[Path]]:
    """What is locked, and in which files."""
    found: dict[Pin, list[Path]] = {}
    for path in paths:
        for name, version in PINNED.findall(path.read_text()):
            found.setdefault((name.lower(), version), []).append(path)
    return found


def _one_version_each(pins: Iterable[Pin]) -> list[list[Pin]]:
    """pip-audit refuses a name with two versions; locks for several Pythons have some."""
    groups: list[dict[str, str]] = []
    for name, version in sorted(pins):
        group = next((group for group in groups if name not in group), None)
        if group is None:
            groups.append(group := {})
        group[name] = version
    return [list(group.items()) for group in groups]


def asked(pins: Sequence[Pin], url: str) -> list[tuple[str, str, Mapping[str, Any]]]:
    """Name, version and advisory. Raises `NotAsked`."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as requirements:
        requirements.write("".join(f"{name}=={version}\n" for name, version in pins))
        requirements.flush()
        command = [sys.executable, "-m", "pip_audit", "--vulnerability-service=osv", f"--osv-url={url}"]
        command += ["--no-deps", "--disable-pip", "--format=json", "--progress-spinner=off"]
        command += [f"--timeout={TIMEOUT_SECONDS}", f"--requirement={requirements.name}"]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        answers = json.loads(run.stdout)["dependencies"]
    except (ValueError, LookupError):  # it also exits with 1 at a traceback
        lines = run.stderr.strip().splitlines() or [f"pip-audit ended with {run.returncode}"]
        raise NotAsked(lines[-1]) from None
    if skipped := [each["name"] for each in answers if "skip_reason" in each]:
        raise NotAsked(f"pip-audit left out {', '.join(skipped)}")
    if len(answers) != len(pins):
        raise NotAsked(f"pip-audit answered for {len(answers)} of {len(pins)} packages")
    return [(each["name"], each["version"], advisory) for each in answers for advisory in each["vulns"]]


def _advice(name: str, version: str, advisory: Mapping[str, Any], paths: Sequence[Path]) -> str:
    fixed = advisory.get("fix_versions") or ()
    names = ", ".join([advisory["id"], *advisory.get("aliases", ())])
    files = ", ".join(str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path) for path in paths)
    cure = f"take {name} {fixed[0]} or newer: delete its lines in {files}, then `make lock`" if fixed else "no fix yet"
    return f"{name} {version} ({files}): {names}: {advisory.get('description', '')[:200]}\n    {cure}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
