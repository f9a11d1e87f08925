"""Asks Prometheus what the panels ask, over a range of time."""

import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

POINTS = 240  # of a line: a panel in the picture is not wider
STEP = 15  # seconds, as the queries' "interval"

Json = dict[str, Any]


class Unavailable(Exception):
    """Nothing to draw, and what to do about it."""


@dataclass(frozen=True, slots=True)
class Range:
    start: int
    end: int
    step: int

    @classmethod
    def last(cls, minutes: float) -> "Range":
        step = max(STEP, math.ceil(minutes * 60 / POINTS))
        end = int(time.time()) // step * step
        return cls(end - int(minutes * 60) // step * step, end, step)

    @property
    def times(self) -> Sequence[int]:
        return range(self.start, self.end + 1, self.step)

    def expanded(self, expr: str) -> str:
        """As Grafana does: https://grafana.com/docs/grafana/latest/datasources/prometheus/template-variables/"""
        window = max(self.step + STEP, 4 * STEP)
        return expr.replace("$__rate_interval", f"{window}s").replace("$__interval", f"{self.step}s")


@dataclass(frozen=True, slots=True)
class Line:
    legend: str
    values: Sequence[float]  # at the range's times; NaN where there is none

    @property
    def last(self) -> float:
        return next((value for value in reversed(self.values) if not math.isnan(value)), math.nan)


def answers(board: Json, prometheus: httpx.Client, span: Range) -> Mapping[int, Sequence[Line]]:
    """The lines of each panel, by its id. Raises `Unavailable`."""
    panels = [panel for panel in board["panels"] if "targets" in panel]
    found = {panel["id"]: _lines(panel, prometheus, span) for panel in panels}
    if empty := [panel["title"] for panel in panels if not found[panel["id"]]]:
        raise Unavailable(
            f"{board['title']}: Prometheus has no data for {', '.join(empty)}.\nA stack that has just started needs a"
            " minute; a rule or metric that is new needs `make up`. Ask the panel's query in Prometheus itself."
        )
    return found


def _lines(panel: Json, prometheus: httpx.Client, span: Range) -> Sequence[Line]:
    found = []
    for target in panel["targets"]:
        asked = {"query": span.expanded(target["expr"]), "start": span.start, "end": span.end, "step": span.step}
        try:
            answer = prometheus.post("/api/v1/query_range", data=asked)
        except httpx.TransportError as error:
            raise Unavailable(
                f"Prometheus does not answer at {prometheus.base_url} ({error}). Start the stack with `make up`, or set"
                " PROMETHEUS_URL."
            ) from None
        if not answer.is_success:
            raise Unavailable(f"{panel['title']}: Prometheus refuses {target['expr']}:\n{answer.text[:500]}")
        for series in answer.json()["data"]["result"]:
            by_time = {int(moment): float(value) for moment, value in series["values"]}
            values = [by_time.get(moment, math.nan) for moment in span.times]
            if not all(map(math.isnan, values)):
                found.append(Line(_legend(target["legendFormat"], series["metric"]), values))
    return found


def _legend(form: str, labels: Mapping[str, str]) -> str:
    """A label that the series does not have is its own name, as in Grafana."""
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: labels.get(found[1], found[1]), form)
