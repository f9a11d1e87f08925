"""The panels of slo.yaml's objectives: a column each. Every number here comes from the document."""

from collections.abc import Sequence

from grafana.boards.colour import BLUE, GREEN, GREY, LIGHT_BLUE, ORANGE, PURPLE, RED
from grafana.boards.panel import Query, Series, Stat, Step
from grafana.boards.promql import WINDOW as RATE
from slo.document import FINEST, WINDOW, Document, Objective

COLUMNS = 24
LOW = 0.25  # of a budget: time to do less that is risky
SEVERITIES = {"page": RED, "ticket": ORANGE}
SHADES = (GREY, PURPLE, BLUE, LIGHT_BLUE, GREEN)  # the shortest window first


def numbers(document: Document) -> Sequence[Stat]:
    """Beside each other: the objective and how it stands now, and what is left of the budget."""
    width = _width(document)
    narrow = round(width * 0.375)
    return [
        stat
        for objective in document.objectives
        for stat in (_now(objective, width - narrow), _budget_left(objective, document, narrow))
    ]


def burn_rates(document: Document) -> Sequence[Series]:
    return [_burn_rate(objective, document) for objective in document.objectives]


def budgets(document: Document) -> Sequence[Series]:
    return [_budget(objective, document) for objective in document.objectives]


def share_panel(objective: Objective, title: str, description: str, width: int = 8) -> Series:
    """The objective's own ratio, at the panel's resolution."""
    return Series(
        title=title,
        unit="percentunit",
        description=description,
        queries=[Query(_good(objective), "good")],
        width=width,
        minimum=None,
        soft_minimum=round(1 - 3 * objective.budget, 10),
        maximum=1,
        steps=[Step(objective.ratio, RED)],
        colours={"good": GREEN},
    )


def spoken(objective: Objective) -> str:
    """`start-delay` is "Start delay"."""
    return objective.name.replace("-", " ").capitalize()


def _now(objective: Objective, width: int) -> Stat:
    wanted = f"max({_recorded('slo:objective:ratio', objective)}) or vector({objective.ratio:g})"
    now = f"1 - max({_recorded(f'slo:sli_error:ratio_rate{FINEST}', objective)}) > -Inf or vector(1)"
    return Stat(
        title=spoken(objective),
        unit="percentunit",
        description=f"The promise: {objective.promise}. Beside it the last {FINEST}: red means that the promise is"
        " broken at this moment, which matters if it lasts. 100 % while nothing happens.",
        queries=[Query(wanted, "objective"), Query(now, f"last {FINEST}")],
        width=width,
        steps=[Step(objective.ratio, GREEN)],
        below=RED,
        decimals=2,
        maximum=1,
    )


def _budget_left(objective: Objective, document: Document, width: int) -> Stat:
    return Stat(
        title="Budget left",
        unit="percentunit",
        description=f"Of the failures that {spoken(objective).lower()} may have in {document.period}"
        f" ({objective.budget * 100:g} % of all events), the share that is not used up. 100 %: nothing failed; below"
        " 0: the promise is broken for the period, so what is risky waits.",
        queries=[Query(_left(objective), "left")],
        width=width,
        minimum=None,
        steps=[Step(0, ORANGE), Step(LOW, GREEN)],
        below=RED,
        decimals=1,
    )


def _burn_rate(objective: Objective, document: Document) -> Series:
    """The long windows of the alerts: one fires when its window and the short one beside it are above its line."""
    pairs = [(pair, severity) for severity, pairs in document.windows.items() for pair in pairs]
    windows = [FINEST, *(pair.long for pair, _ in pairs)]
    lines = ", ".join(f"{pair.burn:g} over {pair.long} ({severity})" for pair, severity in pairs)
    return Series(
        title=f"{spoken(objective)}: burn rate",
        unit="suffix:x",
        description=f"How fast the error budget goes: at 1 it is just used up at the end of the {document.period}."
        f" Lines, {objective.alert}: {lines}.",
        queries=[Query(_burn(objective, window), window) for window in windows],
        width=_width(document),
        soft_maximum=max((pair.burn for pair, _ in pairs), default=1) * 1.05,
        steps=sorted((Step(pair.burn, SEVERITIES[severity]) for pair, severity in pairs), key=lambda step: step.value),
        colours=dict(zip(windows, SHADES, strict=False)),
    )


def _budget(objective: Objective, document: Document) -> Series:
    return Series(
        title=f"{spoken(objective)}: budget left",
        unit="percentunit",
        description=f"The error budget of {document.period} over time. A step down is an incident, a slope a slow"
        f" leak; {objective.alert} fires for both before it is gone.",
        queries=[Query(_left(objective), "left")],
        width=_width(document),
        height=6,
        minimum=None,
        soft_minimum=0,
        soft_maximum=1,
        steps=[Step(0, RED)],
        colours={"left": GREEN},
    )


def _good(objective: Objective) -> str:
    """The share of good events; 1 while there are none."""
    error, total = (query.replace(WINDOW, RATE) for query in (objective.error_query, objective.total_query))
    return f"1 - ({error}) / ({total}) > -Inf or vector(1)"


def _burn(objective: Objective, window: str) -> str:
    errors = _recorded(f"slo:sli_error:ratio_rate{window}", objective)
    return f"max({errors}) / max({_recorded('slo:error_budget:ratio', objective)}) >= 0 or vector(0)"


def _left(objective: Objective) -> str:
    return f"max({_recorded('slo:period_error_budget_remaining:ratio', objective)}) > -Inf or vector(1)"


def _recorded(rule: str, objective: Objective) -> str:
    return f'{rule}{{sloth_slo="{objective.name}"}}'


def _width(document: Document) -> int:
    return COLUMNS // len(document.objectives)
