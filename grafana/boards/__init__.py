"""The dashboards as code. `make slo` writes what `files` gives; Grafana reads the JSON and knows nothing of this."""

from collections.abc import Mapping
from pathlib import Path

from grafana.boards import jobs, service, stack
from slo.document import Document

FOLDER = Path("grafana/dashboards")


def files(document: Document) -> Mapping[Path, str]:
    """The dashboards' files, by path from the project's root."""
    boards = {"service": service.board(document), "jobs": jobs.board(document), "stack": stack.board()}
    return {FOLDER / f"{name}.json": board.written() for name, board in boards.items()}
