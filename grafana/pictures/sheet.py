"""A dashboard as one picture: cards on the panels' grid."""

import importlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from grafana.pictures.card import Box, Colours, draw_card
from grafana.pictures.range import Json, Line, Range

PIXELS = 1760  # of the width: twice what a page shows
COLUMN, ROW, HEADING = 0.43, 0.245, 0.62  # inches
GAP = 0.05
INK, QUIET, PAPER = "#1f2733", "#6b7480", "#f3f4f7"


def draw(board: Json, answers: Mapping[int, Sequence[Line]], span: Range, path: Path, colours: Colours) -> None:
    mpl.rcParams |= {"font.family": "DejaVu Sans", "font.size": 7.5, "text.color": INK}
    width = 24 * COLUMN
    height = HEADING + ROW * max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"]) + GAP
    figure = Figure(figsize=(width, height), dpi=PIXELS / width)
    FigureCanvasAgg(figure)
    sheet = figure.add_axes((0, 0, 1, 1))  # all that is not a curve, in inches
    sheet.set(xlim=(0, width), ylim=(0, height))
    sheet.axis("off")
    _title(sheet, board, span, width, height)
    for panel in board["panels"]:
        box = _box(panel["gridPos"], height - HEADING)
        if panel["type"] == "row":
            sheet.text(box.x + GAP, box.y + box.height * 0.2, panel["title"], fontsize=9.5, weight="bold")
        else:
            draw_card(figure, sheet, panel, box, answers.get(panel["id"], []), span, colours)
    figure.savefig(path, facecolor=PAPER)
    _smaller(path)


def _smaller(path: Path) -> None:
    """With 256 colours instead of millions nobody sees a difference, and the file is a third."""
    image = importlib.import_module("PIL.Image")  # matplotlib's own dependency
    with image.open(path) as picture:
        full = picture.convert("RGB")
    palette = full.resize((full.width // 4, full.height // 4), image.Resampling.NEAREST).quantize(256, kmeans=1)
    full.quantize(palette=palette, dither=image.Dither.NONE).save(path, optimize=True)


def _title(sheet: Any, board: Json, span: Range, width: float, height: float) -> None:
    sheet.text(2 * GAP, height - 0.31, board["title"], fontsize=15, weight="bold")
    sheet.text(2 * GAP, height - 0.53, board["description"], fontsize=8.5, color=QUIET)
    minutes = (span.end - span.start) // 60
    until = time.strftime("%d %B %Y, %H:%M UTC", time.gmtime(span.end))
    sheet.text(width - 2 * GAP, height - 0.31, f"{minutes} minutes, to {until}", fontsize=8.5, color=QUIET, ha="right")


def _box(grid: Mapping[str, int], top: float) -> Box:
    low = top - (grid["y"] + grid["h"]) * ROW
    return Box(grid["x"] * COLUMN + GAP, low + GAP, grid["w"] * COLUMN - 2 * GAP, grid["h"] * ROW - 2 * GAP)
