"""What the test judges by: slo.json, which `make slo` makes from slo.yaml."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).with_name("slo.json")


@dataclass(frozen=True, slots=True)
class Objective:
    name: str
    ratio: float  # of good events, 0 to 1
    metric: str | None  # the service's histogram of the same thing
    threshold: float | None  # seconds


@dataclass(frozen=True, slots=True)
class Limits:
    rate: float  # submissions per second at which the objectives are promised
    least_rate_share: float  # of the asked rate
    objectives: Mapping[str, Objective]
    edges: Mapping[str, tuple[float, ...]]  # of the histograms; seconds, ascending


def read(path: Path = FILE) -> Limits:
    raw = json.loads(path.read_text())
    return Limits(
        rate=raw["submissions_per_second"],
        least_rate_share=raw["least_rate_share"],
        objectives={
            name: Objective(name, found["ratio"], found["metric"], found["threshold_seconds"])
            for name, found in raw["objectives"].items()
        },
        edges={metric: tuple(edges) for metric, edges in raw["edges"].items()},
    )
