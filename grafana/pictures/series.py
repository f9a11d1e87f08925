"""Curves over time, with the thresholds as lines and a legend that wraps."""

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.ticker import MaxNLocator

from grafana.pictures.range import Json, Line, Range
from grafana.pictures.unit import scale, written

if TYPE_CHECKING:
    from grafana.pictures.card import Box, Colours

LETTERS = 7  # points
PACES = (1, 2, 3, 5, 10, 15, 30, 60, 120, 360, 1440, 10080)  # minutes between two labels of the time
QUIET, RULE = "#6b7480", "#eceef2"
LEGEND_LINES, LEGEND_LINE = 2, 0.14  # at most, and inches of one
THRESHOLDS = 0.38  # inches right of the curves, for the numbers


def draw_series(
    figure: Any, sheet: Any, panel: Json, box: "Box", lines: Sequence[Line], span: Range, colours: "Colours"
) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    named = [(line.legend, colours.of(line.legend, panel)) for line in lines]
    low, high, ticks = _scaled(defaults, lines)
    left = max(_width(sheet, text) for text in ticks.values()) + 0.05
    right = THRESHOLDS if _steps(defaults) else 0.04
    below = _legend(sheet, box, named) * LEGEND_LINE + 0.2
    across, up = figure.get_size_inches()
    width, height = box.width - left - right, box.height - below - 0.04
    axes = figure.add_axes(((box.x + left) / across, (box.y + below) / up, width / across, height / up))
    axes.set_ylim(low, high)
    axes.set_yticks(list(ticks), list(ticks.values()))
    _curves(axes, defaults, lines, [colour for _, colour in named], span)
    _thresholds(axes, defaults)
    _dressed(axes, span)


def _curves(axes: Any, defaults: Json, lines: Sequence[Line], colours: Sequence[str], span: Range) -> None:
    custom = defaults["custom"]
    alpha = custom["fillOpacity"] / 100
    base = [0.0] * len(span.times)
    stacked = custom["stacking"]["mode"] == "normal"
    for line, colour in zip(lines, colours, strict=True):
        if stacked:
            top = [low + (0 if math.isnan(value) else value) for low, value in zip(base, line.values, strict=True)]
            axes.fill_between(span.times, base, top, color=colour, alpha=alpha + 0.1, linewidth=0)
            if top != base:
                axes.plot(span.times, top, color=colour, linewidth=1)
            base = top
        else:
            axes.plot(span.times, line.values, color=colour, linewidth=1.3)
            if len(lines) == 1:
                axes.fill_between(span.times, 0, line.values, color=colour, alpha=alpha + 0.05, linewidth=0)


def _scaled(defaults: Json, lines: Sequence[Line]) -> tuple[float, float, Mapping[float, str]]:
    """The lowest and highest value shown, and the names of some between."""
    custom, unit = defaults["custom"], defaults["unit"]
    if custom["stacking"]["mode"] == "normal":
        values = [sum(value for value in moment if not math.isnan(value)) for moment in _moments(lines)]
    else:
        values = [value for line in lines for value in line.values if not math.isnan(value)]
    low = defaults.get("min", min(*values, custom.get("axisSoftMin", values[0]), values[0]))
    high = defaults.get("max", max(max(values) * 1.1, custom.get("axisSoftMax", 0)))
    high = high if high > low else low + 1
    factor, name = scale(unit, max(abs(high), abs(low)))
    found = MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]).tick_values(low / factor, high / factor)
    shown = [tick for tick in found if low / factor - 1e-9 <= tick <= high / factor * (1 + 1e-9)]
    room = (high - low) * 0.015
    return low - room, high + room, {tick * factor: f"{tick:g}{name}" if tick else "0" for tick in shown}


def _moments(lines: Sequence[Line]) -> Iterable[Sequence[float]]:
    return zip(*(line.values for line in lines), strict=True)


def _thresholds(axes: Any, defaults: Json) -> None:
    """Their values stand right of the curves, the upper one where two would overlap."""
    low, high = axes.get_ylim()
    free = high
    for step in reversed(_steps(defaults)):
        axes.axhline(step["value"], color=step["color"], linewidth=1.1, linestyle=(0, (5, 2)))
        if low <= step["value"] <= free:
            free = step["value"] - (high - low) * 0.1
            place, style = (1.015, step["value"]), {"fontsize": LETTERS, "color": step["color"], "va": "center"}
            axes.annotate(written(defaults["unit"], step["value"]), place, xycoords=("axes fraction", "data"), **style)


def _steps(defaults: Json) -> Sequence[Json]:
    """The thresholds that are lines: all but the first one, which is everything below them."""
    shown = defaults["custom"]["thresholdsStyle"]["mode"] != "off"
    return defaults["thresholds"]["steps"][1:] if shown else []


def _dressed(axes: Any, span: Range) -> None:
    axes.set_facecolor("none")
    axes.set_xlim(span.start, span.end)
    minutes = next(pace for pace in PACES if (span.end - span.start) / 60 / pace <= 4.5)
    ticks = [moment for moment in range(span.start // 60 * 60, span.end + 1, 60) if moment % (minutes * 60) == 0]
    axes.set_xticks(ticks, [time.strftime("%H:%M", time.gmtime(tick)) for tick in ticks])
    axes.tick_params(length=0, labelsize=LETTERS, labelcolor=QUIET, pad=3)
    axes.grid(color=RULE, linewidth=0.7)
    axes.set_axisbelow(True)
    for side in axes.spines.values():
        side.set_visible(False)


def _legend(sheet: Any, box: "Box", named: Sequence[tuple[str, str]]) -> int:
    """From the lower left corner of the box; what does not fit is counted. Gives the number of lines used."""
    rows: list[list[tuple[str, str, float]]] = [[]]
    x = 0.0
    for place, (text, colour) in enumerate(named):
        width = _width(sheet, text) + 0.27
        if x + width > box.width and rows[-1]:
            if len(rows) == LEGEND_LINES:
                rows[-1][-1] = (f"… {len(named) - place + 1} more", QUIET, rows[-1][-1][2])
                break
            rows.append([])
            x = 0.0
        rows[-1].append((text, colour, x))
        x += width
    for number, row in enumerate(rows):
        y = box.y + (len(rows) - 1 - number) * LEGEND_LINE + 0.05
        for text, colour, left in row:
            sheet.plot([box.x + left, box.x + left + 0.11], [y, y], color=colour, linewidth=2, solid_capstyle="butt")
            sheet.text(box.x + left + 0.15, y, text, fontsize=LETTERS, va="center_baseline")
    return len(rows)


def _width(sheet: Any, text: str) -> float:
    """Inches that a small text takes."""
    probe = sheet.text(0, 0, text, fontsize=LETTERS)
    pixels = probe.get_window_extent().width
    probe.remove()
    return float(pixels / sheet.figure.dpi)
