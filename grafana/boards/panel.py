"""Panels as Grafana's classic JSON: what differs between them is a field, what they share stands here once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from string import ascii_uppercase
from typing import Any

from grafana.boards.colour import CLEAR, PLAIN

Json = dict[str, Any]

SOURCE = {"type": "prometheus", "uid": "prometheus"}
# The longest scrape interval: a window of four of them has two samples and more also of what is scraped least.
STEP = "15s"


@dataclass(frozen=True, slots=True)
class Query:
    expr: str
    legend: str
    exemplar: bool = False  # dots that lead to traces

    def json(self, letter: str) -> Json:
        written = {
            "refId": letter,
            "datasource": SOURCE,
            "expr": self.expr,
            "legendFormat": self.legend,
            "interval": STEP,
        }
        return written | ({"exemplar": True} if self.exemplar else {})


@dataclass(frozen=True, slots=True)
class Step:
    """From this value on, a colour; on a time series a line."""

    value: float
    colour: str


@dataclass(frozen=True, kw_only=True)
class Panel:
    title: str
    unit: str
    description: str
    queries: Sequence[Query]
    width: int = 8
    height: int = 7
    steps: Sequence[Step] = ()
    minimum: float | None = 0
    maximum: float | None = None
    decimals: int | None = None
    colours: Mapping[str, str] = field(default_factory=dict)  # by a regular expression for legends

    kind = ""
    below = PLAIN  # the colour below all steps

    def json(self, number: int, x: int, y: int) -> Json:
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "datasource": SOURCE,
            "gridPos": {"h": self.height, "w": self.width, "x": x, "y": y},
            "fieldConfig": {"defaults": self._defaults(), "overrides": self._overrides()},
            "options": self._options(),
            "targets": [query.json(letter) for query, letter in zip(self.queries, ascii_uppercase, strict=False)],
        }

    def _defaults(self) -> Json:
        steps = [Step(0, self.below), *self.steps]
        written = [{"color": s.colour, "value": s.value if place else None} for place, s in enumerate(steps)]
        limits = {"min": self.minimum, "max": self.maximum, "decimals": self.decimals}
        return {
            "unit": self.unit,
            **{name: value for name, value in limits.items() if value is not None},
            "thresholds": {"mode": "absolute", "steps": written},
        }

    def _overrides(self) -> list[Json]:
        return [
            {
                "matcher": {"id": "byRegexp", "options": f"/^({pattern})$/"},
                "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}],
            }
            for pattern, colour in self.colours.items()
        ]

    def _options(self) -> Json:
        return {}


@dataclass(frozen=True, kw_only=True)
class Series(Panel):
    """Values over time; a step is a line across."""

    stacked: bool = False
    soft_maximum: float | None = None  # the axis reaches it, and grows beyond when a value does
    soft_minimum: float | None = None

    kind = "timeseries"
    below = CLEAR

    def _defaults(self) -> Json:
        soft = {"axisSoftMin": self.soft_minimum, "axisSoftMax": self.soft_maximum}
        custom = {
            "lineWidth": 1,
            "fillOpacity": 25 if self.stacked else 5,
            "showPoints": "never",
            "stacking": {"mode": "normal" if self.stacked else "none"},
            "thresholdsStyle": {"mode": "line" if self.steps else "off"},
            **{name: value for name, value in soft.items() if value is not None},
        }
        return {**super()._defaults(), "color": {"mode": "palette-classic-by-name"}, "custom": custom}

    def _options(self) -> Json:
        return {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }


@dataclass(frozen=True, kw_only=True)
class Stat(Panel):
    """The last value, large, in the colour of the step it has reached."""

    below: str = PLAIN
    height: int = 4

    kind = "stat"

    def _defaults(self) -> Json:
        return {**super()._defaults(), "color": {"mode": "thresholds"}}

    def _options(self) -> Json:
        return {
            "reduceOptions": {"calcs": ["lastNotNull"]},
            "colorMode": "value",
            "graphMode": "none",
            "textMode": "value_and_name" if len(self.queries) > 1 else "value",
        }
