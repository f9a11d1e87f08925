"""Unit tests of the burn-rate alerts, for promtool: each pair of windows firing, and what must not fire.

Made from slo.yaml too, as its numbers are theirs: a changed threshold, objective or window changes them with the rules.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from slo.document import FINEST, Document, Objective, Refused, seconds
from slo.rules import annotations, identity
from slo.text import as_yaml

Case = dict[str, Any]
Phase = tuple[int, float, float]  # steps, good and bad events in each

STEP_SECONDS = 120  # samples and evaluations; the finest window must hold two
EVENTS = 10_000.0  # in a step, where there is traffic
PAGES = 'count(ALERTS{severity="page", alertstate="firing"}) or vector(0)'


def cases(document: Document) -> str:
    tests = [*_burning(document), _burst(document), _outage(document), _recovered(document), *_silent(document)]
    about = "Made by `make slo` from slo.yaml: `promtool test rules`. Do not edit."
    head = {"rule_files": ["../rules/slo.yml"], "evaluation_interval": f"{STEP_SECONDS}s", "fuzzy_compare": True}
    return as_yaml({**head, "tests": tests}, about)


def _burning(document: Document) -> Iterator[Case]:
    """A fifth faster than each pair of windows bears, and a fifth slower than the last. Errors from the first moment on
    are the same share of every window, so the days of the long ones need not be played."""
    burns = sorted({pair.burn for pair in document.pairs}, reverse=True)
    for speed in (*(1.2 * burn for burn in burns), 0.8 * burns[-1]):
        severities = [name for name, pairs in document.windows.items() if speed > min(pair.burn for pair in pairs)]
        shares = {o.name: round(min(0.99, speed * o.budget), 4) for o in document.objectives}
        series = _played(document, {name: [_phase("1h", share)] for name, share in shares.items()})
        expected = [_fires(document, o, severities, "58m", shares[o.name]) for o in document.objectives]
        yield _case(f"errors burn the budget {speed:g} times as fast as it bears", series, expected)


def _burst(document: Document) -> Case:
    """The short windows see it, the long ones do not."""
    series = _played(
        document, {o.name: [_phase("12h", 0), _phase("6m", _worst(document, o))] for o in document.objectives}
    )
    expected = [_fires(document, o, (), "724m", 0) for o in document.objectives]
    return _case("a burst too short to matter", series, expected)


def _outage(document: Document) -> Case:
    """After healthy hours only the fastest pair sees the first hour of it; the tickets may."""
    fastest = max(document.windows["page"], key=lambda pair: pair.burn)
    phases = {o.name: [_phase("12h", 0), _phase(fastest.long, _worst(document, o))] for o in document.objectives}
    at = f"{12 * 60 + seconds(fastest.long) // 60 - 2}m"
    return _case("the first hour of an outage pages", _played(document, phases), []) | _pages(
        at, len(document.objectives)
    )


def _recovered(document: Document) -> Case:
    """The long windows still see it, the short ones do not."""
    worst = {o.name: _worst(document, o) for o in document.objectives}
    series = _played(document, {name: [_phase("1h", share), _phase("7h", 0)] for name, share in worst.items()})
    during = [_fires(document, o, list(document.windows), "58m", worst[o.name]) for o in document.objectives]
    after = [_fires(document, o, (), "470m", 0) for o in document.objectives]
    return _case("what is over wakes nobody", series, [*during, *after]) | _pages("100m", 0)


def _silent(document: Document) -> Iterator[Case]:
    def quiet(name: str, phases: Mapping[str, list[Phase]], resets: bool = False) -> Case:
        expected = [_fires(document, o, (), at, 0) for at in ("58m", "62m", "118m") for o in document.objectives]
        return _case(name, _played(document, phases, resets), expected)

    objectives = document.objectives
    healthy = _phase("1h", 0)
    zero = [{"labels": "{}", "value": 0}]
    ratios = [
        {"expr": f"sum(slo:sli_error:ratio_rate{window}) == 0", "eval_time": "100m", "exp_samples": zero}
        for window in (FINEST, document.period)
    ]
    yield quiet("no traffic is no error", {o.name: [(60, 0, 0)] for o in objectives}) | {"promql_expr_test": ratios}
    few = {o.name: o.least_rate * 0.8 * STEP_SECONDS / 2 for o in objectives}
    yield quiet("little traffic, half of it bad: a few events are no rate", {n: [(60, e, e)] for n, e in few.items()})
    yield quiet("a restart: all counters begin anew", {o.name: [healthy, healthy] for o in objectives}, resets=True)
    yield quiet(
        "a deployment: counters begin anew, and for two minutes more fails than the budget bears",
        {o.name: [healthy, _phase("2m", 10 * o.budget), _phase("58m", 0)] for o in objectives},
        resets=True,
    )


def _pages(at: str, number: int) -> Case:
    samples = [{"labels": "{}", "value": number}]
    return {"promql_expr_test": [{"expr": PAGES, "eval_time": at, "exp_samples": samples}]}


def _worst(document: Document, objective: Objective) -> float:
    """More than any pair of windows bears."""
    return round(min(0.99, 1.2 * objective.budget * max(pair.burn for pair in document.pairs)), 4)


def _fires(document: Document, objective: Objective, severities: Sequence[str], at: str, share: float) -> Case:
    """`severities`: of the alerts that must fire; the others must not."""
    found = [
        {
            "exp_labels": {**document.labels, **identity(document, objective), **objective.alert_labels[severity]},
            "exp_annotations": {
                name: text.replace("{{ $value | humanizePercentage }}", f"{share * 100:.4g}%")
                for name, text in annotations(document, objective, document.windows[severity]).items()
            },
        }
        for severity in severities
    ]
    return {"eval_time": at, "alertname": objective.alert, **({"exp_alerts": found} if found else {})}


def _played(document: Document, phases: Mapping[str, Sequence[Phase]], resets: bool = False) -> list[Case]:
    """What the service exports for these events of each objective, beside events that must not count."""
    return [
        {"series": name, "values": _values(steps, resets)}
        for objective in document.objectives
        for name, steps in _series(objective, phases[objective.name]).items()
    ]


def _series(objective: Objective, phases: Sequence[Phase]) -> dict[str, list[tuple[int, float]]]:
    good, bad = [(n, g) for n, g, _ in phases], [(n, b) for n, _, b in phases]
    threshold = objective.threshold
    if threshold is None:
        request = 'http_requests_total{job="service", worker="0", method="POST", route='
        return {
            f'{request}"/jobs", status="202"}}': good,
            f'{request}"/jobs", status="503"}}': bad,
            f'{request}"/readyz", status="503"}}': [(n, EVENTS) for n, _, _ in phases],
        }
    if threshold.metric not in _LABELS:
        raise Refused(f"slo/cases.py does not know which labels {threshold.metric} has; add them to _LABELS")
    labels = f'job="service", worker="0", {_LABELS[threshold.metric]}'
    return {
        f"{threshold.metric}_count{{{labels}}}": [(n, g + b) for n, g, b in phases],
        f'{threshold.metric}_bucket{{{labels}, le="{threshold.le}"}}': good,
    }


_LABELS = {"job_submit_seconds": 'outcome="accepted"', "job_wait_seconds": 'kind="sleep"'}


def _phase(duration: str, bad_share: float) -> Phase:
    return seconds(duration) // STEP_SECONDS, EVENTS * (1 - bad_share), EVENTS * bad_share


def _values(phases: Sequence[tuple[int, float]], resets: bool) -> str:
    """promtool's notation: start+step x repetitions."""
    written, at = [], 0.0
    for number, (steps, events) in enumerate(phases):
        start = 0.0 if resets and number == 1 else at + events
        written.append(f"{start:.12g}+{events:.12g}x{steps - 1}")
        at = start + events * (steps - 1)
    return " ".join(written)


def _case(name: str, series: list[Case], expected: list[Case]) -> Case:
    return {"name": name, "interval": f"{STEP_SECONDS}s", "input_series": series, "alert_rule_test": expected}
