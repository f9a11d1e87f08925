"""The documentation shows what was measured, and nothing else."""

from pathlib import Path

import pytest

from bench import results

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("page", "block"), [(results.README, results.comparison), (results.PAGE, results.tables)])
def test_a_page_shows_the_figures_of_the_file(page: Path, block: "results.Block") -> None:
    text = (ROOT / page).read_text()
    assert results.replaced(text, block(results.load())) == text, "run: python -m bench.results"


@pytest.mark.parametrize("plot", ["submission.svg", "drain.svg"])
def test_the_readme_shows_the_plots(plot: str) -> None:
    assert f"docs/bench/{plot}" in (ROOT / "README.md").read_text()
    assert (ROOT / "docs/bench" / plot).read_text().lstrip().startswith("<?xml")


def test_every_measured_part_names_its_machine_and_day() -> None:
    for part in results.load().values():
        assert part["machine"]
        assert part["on"] >= "2026"


def test_what_stands_around_the_tables_is_kept() -> None:
    page = f"before\n{results.BEGIN}old{results.END}\nafter\n"
    assert results.replaced(page, "new") == f"before\n{results.BEGIN}new{results.END}\nafter\n"
