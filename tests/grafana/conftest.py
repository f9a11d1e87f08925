"""The dashboards as made from slo.yaml, and what they may refer to."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grafana.boards import files
from slo.document import ROOT, Document, read

Json = dict[str, Any]


@pytest.fixture(scope="session")
def document() -> Document:
    return read()


@pytest.fixture(scope="session")
def boards(document: Document) -> dict[str, Json]:
    return made(document)


def made(document: Document) -> dict[str, Json]:
    """By the file's name."""
    return {path.stem: json.loads(text) for path, text in files(document).items()}


def panels(boards: dict[str, Json]) -> Iterator[Json]:
    """Those that ask something."""
    yield from (panel for board in boards.values() for panel in board["panels"] if panel["type"] not in {"row", "text"})


def targets(boards: dict[str, Json]) -> Iterator[tuple[str, Json]]:
    yield from ((panel["title"], target) for panel in panels(boards) for target in panel["targets"])


def metrics_in(query: str) -> set[str]:
    """The names in a query that are neither functions, nor labels, nor words of the language."""
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]', "", query.replace(r"{{", ""))
    bare = re.sub(r"\b(by|on|without)\s*\([^)]*\)", "", bare)
    names = set(re.findall(r"\b[a-zA-Z_][\w:]*\b(?!\s*\()", bare))
    return names - {"or", "and", "unless", "group_left", "Inf"}


def section(page: str, heading: str) -> str:
    return (ROOT / page).read_text().partition(f"\n{heading}\n")[2].partition("\n## ")[0]


def runbook_headings() -> set[str]:
    return set(re.findall(r"^## (\w+)$", Path(ROOT / "docs/runbook.md").read_text(), re.MULTILINE))
