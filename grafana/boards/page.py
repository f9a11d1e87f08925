"""Where to read on. Grafana does not serve the project's pages, so they are named and not linked."""

from collections.abc import Sequence
from dataclasses import dataclass

from grafana.boards.board import Row
from grafana.boards.panel import Json, Panel, Query

READ_ON = """\
- **An alert fires**: `docs/runbook.md` has a heading for each, with what it means, where to look and what to do.
- **How much it can take**: `docs/loadtest.md`; `make loadtest` judges the running stack by the same objectives.
- **What a metric means**: `docs/telemetry.md`. **Where these panels come from**: `docs/dashboards.md`.
"""


def read_on() -> Row:
    return Row("Read on", [[Text(title="Pages of the project", content=READ_ON, width=24, height=4)]])


@dataclass(frozen=True, kw_only=True)
class Text(Panel):
    """Markdown."""

    content: str
    unit: str = ""
    description: str = ""
    queries: Sequence[Query] = ()

    kind = "text"

    def json(self, number: int, x: int, y: int) -> Json:
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "gridPos": {"h": self.height, "w": self.width, "x": x, "y": y},
            "options": {"mode": "markdown", "content": self.content},
        }
