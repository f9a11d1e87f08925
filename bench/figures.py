"""What a bench finds: figures, one value a round, some with a goal; their table on the screen and their JSON."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Self, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Figure:
    """`goal` is a bound as it is printed and judged: "≥ 0.40", "≤ 140", or nothing."""

    name: str
    unit: str
    values: Sequence[float]
    goal: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def met(self) -> bool | None:
        """Whether the median keeps to the goal; None without one."""
        if not self.goal:
            return None
        bound, limit = self.goal.split()
        return self.median >= float(limit) if bound == "≥" else self.median <= float(limit)

    @property
    def shown(self) -> str:
        """Median (least, greatest)."""
        if len(self.values) == 1:
            return number(self.median)
        return f"{number(self.median)} ({number(min(self.values))}, {number(max(self.values))})"


@dataclass(frozen=True)
class Part:
    """One bench's result. `how` says in a line or two what was measured and how."""

    name: str
    title: str
    how: str
    figures: Sequence[Figure]
    facts: Mapping[str, Any]  # what is not a figure: versions, settings, the load generator's share

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        """`found` may hold more than a part has."""
        own = {each.name: found[each.name] for each in fields(cls)}
        return cls(**{**own, "figures": [Figure(**figure) for figure in found["figures"]]})

    def table(self) -> str:
        width = max(len(figure.name) for figure in self.figures)
        lines = [f"{self.title}\n{self.how}\n"]
        for figure in self.figures:
            verdict = {None: "", True: f"   {figure.goal}: met", False: f"   {figure.goal}: MISSED"}[figure.met]
            lines.append(f"  {figure.name:<{width}}  {figure.shown:>28} {figure.unit:<8}{verdict}".rstrip())
        return "\n".join(lines)


def in_rounds(subjects: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """In each round every subject once, in turn: a machine whose speed drifts slows all of them alike, so what counts
    is the ratio within a round."""
    found: dict[str, list[T]] = {name: [] for name in subjects}
    width = max(map(len, subjects))
    for current in range(1, rounds + 1):
        for name, measured in subjects.items():
            found[name].append(value := measured())
            shown = number(value) if isinstance(value, float) else value
            print(f"  round {current}/{rounds}  {name:<{width}}  {shown}", flush=True)
    return found


def ratios(ones: Sequence[float], others: Sequence[float]) -> list[float]:
    """Round by round."""
    return [one / other for one, other in zip(ones, others, strict=True)]


def number(value: float) -> str:
    """Three digits that matter: 12,345 · 123 · 12.3 · 1.23 · 0.123."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
