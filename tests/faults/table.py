"""The table at the end of `make faults`; `python -m tests.faults.table` puts that of the recorded run into the README.

The record is docs/faults/results.json, written by `make faults FULL=1 REPORT=docs/faults/results.json`.
"""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.faults.experiment import Report

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
RECORD = ROOT / "docs/faults/results.json"
BEGIN, END = "<!-- from docs/faults/results.json: `python -m tests.faults.table` -->\n", "\n<!-- end -->"
MOST_PROBLEMS = 8
HEADINGS = ("experiment", "injected", "acknowledged", "lost", "duplicated", "worst recovery")


def render(reports: Mapping[str, Report]) -> str:
    """Markdown, aligned so that a terminal shows it well."""
    rows = [HEADINGS, *(_row(name, report) for name, report in reports.items())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    marks = "| " + " | ".join(_mark(column, width) for column, width in enumerate(widths)) + " |"
    return "\n".join([lines[0], marks, *lines[1:]])


def shortened(problems: Sequence[str]) -> list[str]:
    """One broken promise can be a thousand jobs."""
    more = len(problems) - MOST_PROBLEMS
    return [*problems[:MOST_PROBLEMS], *([f"and {more} more"] if more > 0 else [])]


def _row(name: str, report: Report) -> tuple[str, ...]:
    verdict = report.verdict
    recovery = "" if report.recovery_seconds is None else f"{report.recovery_seconds:.1f} s: {report.recovery}"
    lost = str(verdict.lost) if not report.problems else f"{verdict.lost} (broken, see below)"
    return (name, report.injected, f"{verdict.acknowledged:,}", lost, str(verdict.duplicated), recovery)


def _mark(column: int, width: int) -> str:
    right = 2 <= column <= 4
    return "-" * (width - 1) + ":" if right else "-" * width


def record(path: Path, reports: Mapping[str, Report], seed: int, *, full: bool) -> None:
    content = {
        "command": f"make faults{' FULL=1' if full else ''} SEED={seed}",
        "machine": f"{os.cpu_count()} virtual cores, {platform.system()} {platform.machine()}",
        "experiments": {name: asdict(report) for name, report in reports.items()},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")


def block(content: Mapping[str, Any]) -> str:
    """What stands in the README."""
    reports = {name: Report.read(written) for name, written in content["experiments"].items()}
    return f"\n{render(reports)}\n\n`{content['command']}` on {content['machine']}, the clients beside the service.\n"


def replaced(page: str, content: str) -> str:
    """Raises `ValueError` when the page has no place for it."""
    start = page.index(BEGIN) + len(BEGIN)
    return page[:start] + content + page[page.index(END, start) :]


if __name__ == "__main__":
    README.write_text(replaced(README.read_text(), block(json.loads(RECORD.read_text()))))
