"""A dashboard: rows of bands of cells, laid out from the top left; and what all dashboards share."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from grafana.boards.colour import RED
from grafana.boards.panel import SOURCE, STEP, Json, Panel

TAG = "jobs-service"
ALERTS = 'ALERTS{severity!="heartbeat"}'  # one always fires, so that its silence is heard
FIRING = 'ALERTS{severity!="heartbeat", alertstate="firing"}'
IDS_OF_A_ROW = 100  # a new panel renumbers its own row only: links to the others, and their lines in git, stay

Cell = Panel | tuple[Panel, ...]  # a tuple is a pile


@dataclass(frozen=True, slots=True)
class Row:
    title: str
    bands: Sequence[Sequence[Cell]]


@dataclass(frozen=True, slots=True)
class Board:
    uid: str
    title: str
    description: str
    rows: Sequence[Row]

    def written(self) -> str:
        dashboard = {
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": [TAG],
            "schemaVersion": 42,
            "version": 1,
            "editable": False,
            "graphTooltip": 1,  # one crosshair over all panels
            "refresh": "10s",
            "time": {"from": "now-30m", "to": "now"},
            "timezone": "browser",
            "annotations": {"list": [_firing_alerts()]},
            "templating": {"list": []},
            "links": [_other_boards()],
            "panels": list(self._panels()),
        }
        return json.dumps(dashboard, indent=1, ensure_ascii=False) + "\n"

    def _panels(self) -> Iterator[Json]:
        y = 0
        for place, row in enumerate(self.rows, 1):
            numbers = iter(range(place * IDS_OF_A_ROW, (place + 1) * IDS_OF_A_ROW))
            yield _heading(row.title, next(numbers), y)
            y += 1
            for band in row.bands:
                piles = [cell if isinstance(cell, tuple) else (cell,) for cell in band]
                x = 0
                for pile in piles:
                    top = y
                    for panel in pile:
                        yield panel.json(next(numbers), x, top)
                        top += panel.height
                    x += pile[0].width
                y += max(sum(panel.height for panel in pile) for pile in piles)


def _heading(title: str, number: int, y: int) -> Json:
    grid = {"h": 1, "w": 24, "x": 0, "y": y}
    return {"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": grid, "panels": []}


def _firing_alerts() -> Json:
    """A red mark where an alert began to fire, across all panels."""
    return {
        "name": "Firing alerts",
        "datasource": SOURCE,
        "enable": True,
        "iconColor": RED,
        "target": {"refId": "Anno", "expr": FIRING, "interval": STEP},
        "titleFormat": "{{alertname}}",
        "textFormat": "{{severity}}: see docs/runbook.md",
        "tagKeys": "alertname,severity,job,sloth_slo",
    }


def _other_boards() -> Json:
    """By their tag, so that a fourth dashboard is in the list by itself. The time range goes along."""
    return {
        "type": "dashboards",
        "title": "Jobs service",
        "tags": [TAG],
        "asDropdown": False,
        "includeVars": False,
        "keepTime": True,
        "targetBlank": False,
    }
