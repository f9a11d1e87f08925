"""The two plots of the README, as SVG: submission throughput against latency, and drain rate by system."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.figures import Part
from bench.peers.roster import QUEUE, SERVICE

OURS, THEIRS = "#c2410c", "#64748b"
SHADES = ("#2563eb", "#7c3aed", "#059669", "#d97706", "#0891b2", "#be185d", "#4b5563")


def draw(parts: Mapping[str, Part], folder: Path) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams |= {"svg.hashsalt": "bench", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    _submission(parts["peers_sweep"], folder / "submission.svg")
    _drain(parts["peers_drain"], folder / "drain.svg")


def _submission(part: Part, path: Path) -> None:
    """A line a system, a point for each number of connections: right and down is better."""
    figure, axes = _axes(8.4, 4.2)
    values = {figure.name: figure.median for figure in part.figures}
    shades = iter(SHADES)
    for name in _systems(part):
        steps = [f"{name}, {connections} connections" for connections in part.facts["connections"]]
        rates, latencies = [values[step] for step in steps], [values[f"{step}, p99"] for step in steps]
        own = name in (SERVICE.name, QUEUE.name)
        style = "--" if name == QUEUE.name else "-"
        shade = OURS if own else next(shades)
        axes.plot(
            rates, latencies, style, label=name, marker="o", markersize=3.5, color=shade, linewidth=2 if own else 1.1
        )
    axes.set_yscale("log")
    axes.set_xlim(left=0)
    axes.grid(alpha=0.3, linewidth=0.5)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    axes.set_xlabel("submissions acknowledged per second")
    axes.set_ylabel("p99 latency, ms")
    connections = ", ".join(map(str, part.facts["connections"]))
    axes.set_title(f"POST /jobs at {connections} connections: right and down is better", loc="left", fontsize=10)
    _save(figure, path)


def _drain(part: Part, path: Path) -> None:
    figure, axes = _axes(7.6, 3.2)
    rates = sorted(((f.median, f) for f in part.figures if f.unit == "jobs/s"), key=lambda pair: pair[0])
    for place, (rate, found) in enumerate(rates):
        axes.barh(place, rate, color=OURS if found.name == SERVICE.name else THEIRS, height=0.65)
        axes.plot([min(found.values), max(found.values)], [place, place], color="black", linewidth=1)
        axes.annotate(
            f"{rate:,.0f}", (max(found.values), place), xytext=(5, 0), textcoords="offset points", va="center"
        )
    axes.set_yticks(range(len(rates)), [found.name for _, found in rates])
    axes.set_xlabel("no-op jobs per second, one worker process; the line is the spread of the rounds")
    axes.margins(x=0.12)
    _save(figure, path)


def _systems(part: Part) -> Sequence[str]:
    return [name for name, facts in part.facts.items() if isinstance(facts, Mapping) and "durability" in facts]


def _axes(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None}, facecolor="white")
