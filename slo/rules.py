"""Recording rules and burn-rate alerts in the names that Sloth gives them, so that dashboards made for Sloth work too.

Different from Sloth's: without traffic a ratio is 0, not NaN; windows of a day and more add up events, not ratios, so
that traffic has its weight; and an alert wants a least rate of events in its long window.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from slo.document import FINEST, WINDOW, Document, Objective, Windows, seconds
from slo.text import as_yaml

Rule = dict[str, Any]

RAW_UP_TO = "6h"
"""Longer windows are read from the recorded rates: the raw counters of a month are too many to read each minute."""

LONG_INTERVAL = "1m"


def rules(document: Document) -> str:
    groups = [group for objective in document.objectives for group in _groups(document, objective)]
    about = "Made by `make slo` from slo.yaml, which says what each objective is. Do not edit."
    return as_yaml({"groups": groups}, about)


def identity(document: Document, objective: Objective) -> dict[str, str]:
    return {
        "sloth_id": f"{document.service}-{objective.name}",
        "sloth_service": document.service,
        "sloth_slo": objective.name,
    }


def _groups(document: Document, objective: Objective) -> Iterator[Rule]:
    windows = sorted(
        {FINEST, document.period, *(w for pair in document.pairs for w in (pair.short, pair.long))}, key=seconds
    )
    labels = {**document.labels, **identity(document, objective)}
    short = [window for window in windows if seconds(window) <= seconds(RAW_UP_TO)]
    recorded = [*_events(objective, labels), *(_raw_ratio(objective, labels, window) for window in short)]
    long = [_summed_ratio(labels, window) for window in windows if window not in short]
    alerts = [_alert(document, objective, severity, pairs) for severity, pairs in document.windows.items()]
    yield {"name": f"slo-{objective.name}", "rules": [*recorded, *_facts(document, objective, labels)]}
    yield {
        "name": f"slo-{objective.name}-long",
        "interval": LONG_INTERVAL,
        "rules": [*long, *_budget(document, labels)],
    }
    yield {"name": f"slo-{objective.name}-alerts", "rules": alerts}


def _events(objective: Objective, labels: dict[str, str]) -> Iterator[Rule]:
    """Bad and all events per second."""
    bad, all_ = (query.replace(WINDOW, FINEST) for query in (objective.error_query, objective.total_query))
    # Each series is extrapolated by itself, so their difference may fall below 0 by a hair.
    yield {"record": f"slo:sli_error:rate{FINEST}", "expr": f"clamp_min({bad}, 0)", "labels": labels}
    yield {"record": f"slo:sli_total:rate{FINEST}", "expr": all_, "labels": labels}


def _raw_ratio(objective: Objective, labels: dict[str, str], window: str) -> Rule:
    bad, all_ = (query.replace(WINDOW, window) for query in (objective.error_query, objective.total_query))
    return _ratio(labels, window, bad, all_)


def _summed_ratio(labels: dict[str, str], window: str) -> Rule:
    bad, all_ = (
        f"sum_over_time(slo:sli_{which}:rate{FINEST}{_only(labels)}[{window}])" for which in ("error", "total")
    )
    return _ratio(labels, window, bad, all_)


def _ratio(labels: dict[str, str], window: str, bad: str, all_: str) -> Rule:
    """0 to 1."""
    expression = f"clamp_min(({bad}) / (({all_}) > 0), 0)\nor\n0 * ({all_})"
    return {
        "record": f"slo:sli_error:ratio_rate{window}",
        "expr": expression,
        "labels": {**labels, "sloth_window": window},
    }


def _facts(document: Document, objective: Objective, labels: dict[str, str]) -> Iterator[Rule]:
    days = seconds(document.period) // seconds("1d")
    facts = (("objective:ratio", objective.ratio), ("error_budget:ratio", objective.budget), ("time_period:days", days))
    for name, value in facts:
        yield {"record": f"slo:{name}", "expr": f"vector({value:g})", "labels": labels}
    yield _burn("current", FINEST, labels)


def _budget(document: Document, labels: dict[str, str]) -> Iterator[Rule]:
    yield _burn("period", document.period, labels)
    left = f"1 - slo:period_burn_rate:ratio{_only(labels)}"
    yield {"record": "slo:period_error_budget_remaining:ratio", "expr": left, "labels": labels}


def _burn(name: str, window: str, labels: dict[str, str]) -> Rule:
    """1: just as fast as the budget bears."""
    ratio = f"slo:sli_error:ratio_rate{window}{_only(labels)}"
    expression = f"sum without (sloth_window) ({ratio})\n/\nslo:error_budget:ratio{_only(labels)}"
    return {"record": f"slo:{name}_burn_rate:ratio", "expr": expression, "labels": labels}


def _alert(document: Document, objective: Objective, severity: str, pairs: Sequence[Windows]) -> Rule:
    only = _only(identity(document, objective))
    expression = "\nor\n".join(_fast_burn(objective, pair, only) for pair in pairs)
    return {
        "alert": objective.alert,
        "expr": expression,
        "labels": dict(objective.alert_labels[severity]),
        "annotations": annotations(document, objective, pairs),
    }


def annotations(document: Document, objective: Objective, pairs: Sequence[Windows]) -> dict[str, str]:
    return {
        "summary": f"{objective.promise}: {{{{ $value | humanizePercentage }}}} were not",
        "description": f"At this pace the error budget of {document.period} is gone in {_gone(document, pairs)}.",
        **objective.annotations,
    }


def _fast_burn(objective: Objective, pair: Windows, only: str) -> str:
    most = f"({pair.burn:g} * {objective.budget:g})"
    long, short = (
        f"max without (sloth_window) (slo:sli_error:ratio_rate{window}{only}) > {most}"
        for window in (pair.long, pair.short)
    )
    traffic = f"avg_over_time(slo:sli_total:rate{FINEST}{only}[{pair.long}]) > {objective.least_rate:g}"
    return f"(\n  {long}\n  and\n  {short}\n  and\n  {traffic}\n)"


def _gone(document: Document, pairs: Sequence[Windows]) -> str:
    hours = seconds(document.period) / min(pair.burn for pair in pairs) / 3600
    return f"{hours:.0f} hours or less" if hours < 48 else f"{hours / 24:.0f} days or less"


def _only(labels: dict[str, str]) -> str:
    return f'{{sloth_id="{labels["sloth_id"]}"}}'
