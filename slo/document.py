"""Reads slo.yaml, and refuses what would lead to an alert that cannot fire or a ratio that is not exact."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
FILE = Path("slo.yaml")
WINDOW = "{{.window}}"
FINEST = "5m"  # the window of the ratio that stands for now

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d+)([smhd])")
_BUCKET = re.compile(r'(\w+)_bucket\{[^}]*\ble="([^"]*)"')


class Refused(ValueError):
    """slo.yaml cannot be used; a line for each thing that is wrong with it."""


@dataclass(frozen=True, slots=True)
class Windows:
    """A pair of windows that both must burn `burn` times as fast as the budget bears."""

    long: str
    short: str
    burn: float


@dataclass(frozen=True, slots=True)
class Threshold:
    """The edge of a histogram that parts good events from bad ones."""

    metric: str  # without _bucket
    le: str  # as in the query

    @property
    def seconds(self) -> float:
        return float(self.le)


@dataclass(frozen=True, slots=True)
class Objective:
    name: str
    ratio: float  # of good events, 0 to 1
    description: str
    error_query: str
    total_query: str
    threshold: Threshold | None
    least_rate: float  # events per second below which no alert fires
    alert: str
    alert_labels: Mapping[str, Mapping[str, str]]  # by severity
    annotations: Mapping[str, str]

    @property
    def budget(self) -> float:
        """The share of events that may be bad, without the noise of binary fractions."""
        return round(1 - self.ratio, 10)

    @property
    def promise(self) -> str:
        """In words, with its numbers."""
        within = f" within {_milliseconds(self.threshold.seconds)}" if self.threshold else ""
        return f"{self.ratio * 100:g} % {self.description}{within}"


@dataclass(frozen=True, slots=True)
class Document:
    service: str
    labels: Mapping[str, str]
    objectives: Sequence[Objective]
    windows: Mapping[str, Sequence[Windows]]  # by severity
    period: str
    edges: Mapping[str, tuple[float, ...]]  # by histogram; seconds, ascending, with the thresholds
    rate: float  # submissions per second at which the objectives are promised
    least_rate_share: float

    @property
    def pairs(self) -> Sequence[Windows]:
        """Of all severities."""
        return [pair for pairs in self.windows.values() for pair in pairs]

    def threshold(self, metric: str) -> float:
        """Of the objective on this histogram, in seconds."""
        return next(o.threshold.seconds for o in self.objectives if o.threshold and o.threshold.metric == metric)


def seconds(duration: str) -> int:
    """`5m` is 300."""
    found = _DURATION.fullmatch(duration)
    if not found:
        raise ValueError(f"{duration!r} is no duration like 5m, 6h or 3d")
    return int(found[1]) * _UNITS[found[2]]


def read(path: Path = ROOT / FILE) -> Document:
    """Raises `Refused`."""
    try:
        raw = yaml.safe_load(path.read_text())
        document = _document(raw)
        problems = list(_problems(document, raw))
    except (KeyError, TypeError, AttributeError, ValueError, yaml.YAMLError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise Refused(f"{path.name}: {what}") from None
    if problems:
        raise Refused("\n".join(f"{path.name}: {problem}" for problem in problems))
    return document


def _document(raw: Mapping[str, Any]) -> Document:
    if raw["version"] != "prometheus/v1":
        raise ValueError(f"version is {raw['version']!r}, not 'prometheus/v1'")
    objectives = [_objective(slo) for slo in raw["slos"]]
    edges = {metric: set(map(float, listed)) for metric, listed in raw["x-buckets"].items()}
    for threshold in (objective.threshold for objective in objectives if objective.threshold):
        if threshold.metric in edges:
            edges[threshold.metric].add(threshold.seconds)
    return Document(
        service=raw["service"],
        labels=raw.get("labels") or {},
        objectives=objectives,
        windows={severity: [Windows(**pair) for pair in pairs] for severity, pairs in raw["x-windows"].items()},
        period=raw["x-period"],
        edges={metric: tuple(sorted(found)) for metric, found in edges.items()},
        rate=float(raw["x-loadtest"]["submissions_per_second"]),
        least_rate_share=float(raw["x-loadtest"]["least_rate_share"]),
    )


def _objective(slo: Mapping[str, Any]) -> Objective:
    events, alerting = slo["sli"]["events"], slo["alerting"]
    common = alerting.get("labels") or {}
    thresholds = {Threshold(*found) for found in _BUCKET.findall(events["error_query"])}
    for threshold in thresholds:
        if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+|Inf)(e[+-]?\d+)?", threshold.le):
            raise ValueError(f'{slo["name"]}: le="{threshold.le}" is no number of seconds')
    if len(thresholds) > 1:
        raise ValueError(f"{slo['name']}: one threshold, please; error_query has {sorted(t.le for t in thresholds)}")
    return Objective(
        name=slo["name"],
        ratio=round(slo["objective"] / 100, 10),
        description=slo["description"],
        error_query=events["error_query"],
        total_query=events["total_query"],
        threshold=next(iter(thresholds), None),
        least_rate=float(slo["x-least-rate"]),
        alert=alerting["name"],
        alert_labels={
            severity: {**common, **(alerting[f"{severity}_alert"].get("labels") or {})}
            for severity in ("page", "ticket")
        },
        annotations=alerting.get("annotations") or {},
    )


def _problems(document: Document, raw: Mapping[str, Any]) -> Iterator[str]:
    for objective in document.objectives:
        for problem in _objective_problems(objective, document):
            yield f"{objective.name}: {problem}"
    for pair in document.pairs:
        if seconds(pair.short) >= seconds(pair.long):
            yield f"x-windows: the short window {pair.short} is not shorter than the long one, {pair.long}"
    if seconds(document.period) % _UNITS["d"]:
        yield f"x-period: {document.period} is not in days"
    for name in ("name", "alerting"):
        named = [slo[name]["name"] if name == "alerting" else slo[name] for slo in raw["slos"]]
        yield from (f"{each} stands twice" for each in sorted(set(named)) if named.count(each) > 1)


def _objective_problems(objective: Objective, document: Document) -> Iterator[str]:
    if not 0 < objective.ratio < 1:
        yield f"an objective is between 0 and 100 %, exclusive, not {objective.ratio * 100:g}"
        return
    for field in ("error_query", "total_query"):
        if WINDOW not in getattr(objective, field):
            yield f"{field} has no [{WINDOW}]"
    if objective.threshold:
        yield from _threshold_problems(objective.threshold, document)
    for pair in document.pairs:
        if pair.burn * objective.budget >= 1:
            yield (
                f"the alert for {pair.long} could never fire: {pair.burn:g} times the budget of"
                f" {objective.budget * 100:g} % is more than all events; lower `burn` or raise the objective"
            )


def _threshold_problems(threshold: Threshold, document: Document) -> Iterator[str]:
    known = document.edges.get(threshold.metric)
    written = str(threshold.seconds)
    if known is None:
        yield (
            f'le="{threshold.le}" is no bucket edge that is known of {threshold.metric}: its edges do not stand in'
            f" x-buckets, which has {', '.join(sorted(document.edges))}"
        )
    elif not 0 < threshold.seconds < float("inf"):
        yield f'le="{threshold.le}" is no bucket edge: it must be above 0 and finite'
    elif threshold.le != written:
        yield f'le="{threshold.le}" is no bucket edge as Prometheus writes it, and would match nothing: le="{written}"'


def _milliseconds(value: float) -> str:
    return f"{value * 1000:g} ms" if value < 1 else f"{value:g} s"
