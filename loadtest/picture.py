"""Draws the knee: docs/slo/knee.json, taken from the last stress test if there is one, as docs/slo/knee.svg."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "loadtest/reports/report.json"
FOLDER = ROOT / "docs/slo"
SHADES = {"p50": "#64748b", "p99": "#c2410c", "p99.9": "#7c3aed"}
SAMPLES = "submission, in the service"
CLIENT = "submission, from its time"


def main(report: Path = REPORT, folder: Path = FOLDER) -> None:
    data = folder / "knee.json"
    if taken := _stress(report):
        folder.mkdir(parents=True, exist_ok=True)
        data.write_text(json.dumps(taken, indent=1) + "\n")
    if not data.exists():
        print("No knee to draw: `make loadtest SCENARIO=stress` finds it.", file=sys.stderr)
        return
    draw(json.loads(data.read_text()), folder / "knee.svg")
    print(f"drawn: {folder / 'knee.svg'}")


def _stress(report: Path) -> Mapping[str, Any] | None:
    """What of the last report is kept, if that was a stress test that found something."""
    if not report.exists():
        return None
    found = json.loads(report.read_text())
    if found["scenario"] != "stress" or not found["knee"]["holds_at"]:
        return None
    kept = ("asked_rate", "achieved_rate", "accepted", "broken", "percentiles_seconds")
    return {
        "about": "made by `make loadtest SCENARIO=stress` and `make pictures`",
        **{name: found[name] for name in ("machine", "began_at", "threshold_seconds", "knee")},
        "steps": [{name: step[name] for name in kept} for step in found["steps"]],
    }


def draw(found: Mapping[str, Any], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams |= {"svg.hashsalt": "loadtest", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.6, 4.0), layout="constrained")
    axes = figure.subplots()
    for share, shade in SHADES.items():
        for samples, style, suffix in ((SAMPLES, "-", ""), (CLIENT, ":", ", as clients see it")):
            points = [
                (step["asked_rate"], value * 1000)
                for step in found["steps"]
                if (value := step["percentiles_seconds"][samples][share]) is not None
            ]
            axes.plot(
                *zip(*points, strict=True), style, marker="o", markersize=3, color=shade, label=f"{share}{suffix}"
            )
    threshold, knee = found["threshold_seconds"] * 1000, found["knee"]
    axes.axhline(threshold, color="#b91c1c", linestyle="--", linewidth=1, label=f"objective: {threshold:g} ms")
    axes.axvline(knee["holds_at"], color="black", linestyle=":", linewidth=1)
    axes.annotate(
        f" all objectives hold: {knee['holds_at']:g}/s", (knee["holds_at"], 0.03), xycoords=("data", "axes fraction")
    )
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    axes.set_xlim(left=0)
    axes.grid(alpha=0.3, linewidth=0.5)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    axes.set_xlabel(f"submissions asked per second, at their own times\n{found['machine']}")
    axes.set_ylabel("latency of a submission, ms")
    axes.set_title("How submissions slow down, and where objectives break", loc="left", fontsize=10)
    figure.savefig(path, metadata={"Date": None}, facecolor="white")


if __name__ == "__main__":
    main()
