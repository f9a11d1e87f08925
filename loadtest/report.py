"""Everything, as JSON: for the plots, and for whoever compares two runs."""

import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from loadtest import judgement, ramp, series, table
from loadtest.limits import Limits
from loadtest.run import Outcome
from loadtest.samples import Summary, percentile
from loadtest.settings import Settings
from loadtest.verdict import Line, objectives

SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999, "max": 1.0}


def report(settings: Settings, limits: Limits, outcome: Outcome, lines: Sequence[Line]) -> Mapping[str, Any]:
    steps = [summary for _, summary in outcome.steps]
    found: dict[str, Any] = {
        "scenario": outcome.scenario.name,
        "host": settings.host,
        "machine": machine(settings.local),
        "began_at": outcome.began_at.isoformat(timespec="seconds"),
        "passed": judgement.exit_code(lines) == 0,
        "verdict": [{"good": line.good, "name": line.name, "text": line.text} for line in lines],
        "generator_cpu_share": round(outcome.cpu_share, 3),
        "compared": outcome.between is not None,
        "threshold_seconds": limits.objectives["submission-latency"].threshold,
        "steps": [
            _step(limits, summary) | {"seconds": list(series.seconds(measured))} for measured, summary in outcome.steps
        ],
    }
    if outcome.scenario.ramp:
        knee = ramp.knee(limits, steps)
        found["knee"] = {
            "holds_at": knee.held and knee.held.asked.rate,
            "breaks_at": knee.broken and knee.broken.asked.rate,
            "reasons": list(knee.reasons),
            "generator_late": knee.late,
        }
    return found


def _step(limits: Limits, found: Summary) -> dict[str, Any]:
    return {
        "asked_rate": found.asked.rate,
        "asked_seconds": found.asked.seconds,
        "achieved_rate": round(found.achieved_rate, 2),
        **{
            name: getattr(found, name)
            for name in ("arrivals", "dropped", "accepted", "succeeded", "unknown", "requests")
        },
        "failures": dict(found.failures),
        "broken": [line.name for line in objectives(limits, found) if not line.good],
        "percentiles_seconds": {
            name: {title: series.finite(percentile(samples, share)) for title, share in SHARES.items()}
            for name, samples in table.rows(found).items()
        },
    }


def machine(local: bool) -> str:
    """The generator's, which is also the stack's if that is local."""
    text = f"{os.cpu_count()} virtual cores ({_model()})"
    return f"{text}, load generator and all telemetry on the same machine" if local else f"load generator on {text}"


def _model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
