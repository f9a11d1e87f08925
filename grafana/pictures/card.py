"""One panel in the picture: a frame with a title, and in it a time series, numbers or a text."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.patches import FancyBboxPatch

from grafana.pictures.range import Json, Line, Range
from grafana.pictures.series import draw_series
from grafana.pictures.unit import written

PALETTE = (
    "#2f6fdb", "#e0752d", "#4d9a3a", "#8a4fd0", "#d9a400", "#1a9ba8", "#c2417c", "#7fb0f0", "#8b6b4a",
    "#5b6b8c", "#a3b324",
)  # fmt: skip
QUIET, FRAME = "#6b7480", "#dfe2e8"
TITLE = 0.2  # inches


class Colours:
    """A name has one colour in all panels of all pictures; what the panel fixes is stronger."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def of(self, legend: str, panel: Json) -> str:
        for override in panel["fieldConfig"]["overrides"]:
            if re.fullmatch(override["matcher"]["options"].strip("/"), legend):
                return str(override["properties"][0]["value"]["fixedColor"])
        return self._known.setdefault(legend, PALETTE[len(self._known) % len(PALETTE)])


@dataclass(frozen=True, slots=True)
class Box:
    """Inches from the lower left corner."""

    x: float
    y: float
    width: float
    height: float


def draw_card(
    figure: Any, sheet: Any, panel: Json, box: Box, lines: Sequence[Line], span: Range, colours: Colours
) -> None:
    frame = FancyBboxPatch((box.x, box.y), box.width, box.height, boxstyle="round,pad=0,rounding_size=0.04")
    frame.set(facecolor="white", edgecolor=FRAME, linewidth=0.8)
    sheet.add_patch(frame)
    top = box.y + box.height - TITLE
    sheet.text(box.x + 0.1, top, panel["title"], fontsize=8.3, weight="bold")
    inner = Box(box.x + 0.1, box.y + 0.06, box.width - 0.2, box.height - TITLE - 0.12)
    match panel["type"]:
        case "timeseries":
            draw_series(figure, sheet, panel, inner, lines, span, colours)
        case "stat":
            _numbers(sheet, panel, inner, lines)
        case "text":
            plain = re.sub(r"[*`]", "", panel["options"]["content"]).replace("- ", "•  ")
            sheet.text(inner.x, inner.y + inner.height, plain, va="top", linespacing=1.7)


def _numbers(sheet: Any, panel: Json, box: Box, lines: Sequence[Line]) -> None:
    """Beside each other, each in the colour of the step that it has reached."""
    defaults = panel["fieldConfig"]["defaults"]
    for place, line in enumerate(lines):
        x = box.x + box.width * (place + 0.5) / len(lines)
        text = written(defaults["unit"], line.last, defaults.get("decimals"))
        large = min(20.0, 90 * box.width / len(lines) / len(text))  # points: so that it fits
        named = len(lines) > 1
        middle = box.y + box.height * (0.38 if named else 0.48)
        colour = _reached(defaults["thresholds"]["steps"], line.last)
        sheet.text(x, middle, text, fontsize=large, weight="bold", color=colour, ha="center", va="center")
        if named:
            sheet.text(x, box.y + box.height * 0.82, line.legend, color=QUIET, ha="center", va="center")


def _reached(steps: Sequence[Json], value: float) -> str:
    return [str(step["color"]) for step in steps if step["value"] is None or value >= step["value"]][-1]
