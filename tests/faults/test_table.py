"""The README shows the recorded run, and every experiment of it."""

import json

import pytest

from tests.faults import experiments, table
from tests.faults.checker import Verdict
from tests.faults.experiment import REGISTRY, Report

assert experiments


def test_the_readme_shows_the_recorded_run() -> None:
    content = json.loads(table.RECORD.read_text())
    page = table.README.read_text()
    assert table.BEGIN in page
    assert table.replaced(page, table.block(content)) == page, "run: python -m tests.faults.table"


def test_what_stands_around_the_table_stays() -> None:
    page = f"before\n{table.BEGIN}old{table.END}\nafter\n"
    assert table.replaced(page, "new") == f"before\n{table.BEGIN}new{table.END}\nafter\n"
    with pytest.raises(ValueError, match="not found"):
        table.replaced(f"before\n{table.BEGIN}without an end", "new")


def test_the_recorded_run_has_every_experiment_and_broke_no_promise() -> None:
    content = json.loads(table.RECORD.read_text())
    assert list(content["experiments"]) == list(REGISTRY)
    for name, written in content["experiments"].items():
        report = Report.read(written)
        assert report.problems + report.late == [], name


def test_every_experiment_is_described() -> None:
    page = (table.ROOT / "docs/faults.md").read_text()
    assert [name for name in REGISTRY if f"\n| {name} |" not in page] == []


@pytest.mark.parametrize(
    ("report", "problem"),
    [
        (Report("", Verdict(1, 0, 0, 1, 0, ("a job is gone",))), "a job is gone"),
        (Report("", Verdict(1, 0, 0, 0, 0), surprises=["not seen: a late finish"]), "not seen: a late finish"),
    ],
)
def test_what_is_wrong_is_a_problem_and_shows_in_the_table(report: Report, problem: str) -> None:
    assert report.problems == [problem]
    assert "broken" in table.render({"some": report})


def test_a_recovery_that_took_too_long_is_late() -> None:
    report = Report("", Verdict(1, 0, 0, 0, 0), 3.1, "jobs run again", 3.0)
    assert (report.problems, report.late) == ([], ["jobs run again: 3.1 s, more than 3.0 s"])
