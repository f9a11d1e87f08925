"""Draws each dashboard's panels from Prometheus into docs/dashboards/: `make pictures`, while the stack runs."""

import argparse
import json
import os
import sys
from pathlib import Path

import httpx

from grafana.pictures.range import Range, Unavailable, answers

ROOT = Path(__file__).parents[2]
BOARDS = ROOT / "grafana/dashboards"
FOLDER = ROOT / "docs/dashboards"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m grafana.pictures", description=__doc__)
    parser.add_argument("--minutes", type=float, default=15, help="the time shown, up to now (default: 15)")
    minutes = parser.parse_args().minutes
    url = os.environ.get("PROMETHEUS_URL", "http://localhost:9090").rstrip("/")
    try:
        from grafana.pictures.card import Colours
        from grafana.pictures.sheet import draw
    except ModuleNotFoundError as error:
        sys.exit(f"{error.name} is missing, an optional extra: make .venv/bench")
    boards = [(path.stem, json.loads(path.read_text())) for path in sorted(BOARDS.glob("*.json"))]
    span = Range.last(minutes)
    try:
        with httpx.Client(base_url=url, timeout=30) as prometheus:
            found = {name: answers(board, prometheus, span) for name, board in boards}
    except Unavailable as error:
        sys.exit(str(error))
    FOLDER.mkdir(parents=True, exist_ok=True)
    colours = Colours()
    for name, board in boards:
        draw(board, found[name], span, FOLDER / f"{name}.png", colours)
        print(FOLDER.relative_to(ROOT) / f"{name}.png")


if __name__ == "__main__":
    main()
