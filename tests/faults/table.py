"""The table at the end of `make faults`, and the one in the README."""

from collections.abc import Mapping

from tests.faults.experiment import Report

HEADINGS = ("experiment", "injected", "acknowledged", "lost", "duplicated", "worst recovery, s")


def render(reports: Mapping[str, Report]) -> str:
    """Markdown, aligned so that a terminal shows it well."""
    rows = [HEADINGS, *(_row(name, report) for name, report in reports.items())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    marks = "| " + " | ".join(_mark(column, width) for column, width in enumerate(widths)) + " |"
    return "\n".join([lines[0], marks, *lines[1:]])


def _row(name: str, report: Report) -> tuple[str, ...]:
    verdict = report.verdict
    recovery = "" if report.recovery_seconds is None else f"{report.recovery_seconds:.1f}"
    if report.recovery:
        recovery += f" ({report.recovery})"
    return (name, report.injected, f"{verdict.acknowledged:,}", str(verdict.lost), str(verdict.duplicated), recovery)


def _mark(column: int, width: int) -> str:
    right = 2 <= column <= 4
    return "-" * (width - 1) + ":" if right else "-" * width
