"""The report as a page: the verdict and three plots, without anything to fetch."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

WIDTH, HEIGHT, LEFT, BOTTOM = 900, 200, 60, 24
COLOURS = ("#2563eb", "#c2410c", "#059669")
STYLE = "body{font:14px/1.5 system-ui,sans-serif;max-width:960px;margin:2em auto;padding:0 1em}pre{overflow-x:auto}"

Line = Sequence[float | None]


def page(found: Mapping[str, Any], verdict: Sequence[str]) -> str:
    seconds = [second for step in found["steps"] for second in step["seconds"]]
    milliseconds = {name: [_thousandfold(second[name]) for second in seconds] for name in ("p50", "p99")}
    threshold = found["threshold_seconds"] * 1000
    title = f"{found['scenario']}: {'passed' if found['passed'] else 'FAILED'}"
    facts = f"{found['began_at']}, {found['host']}, {found['machine']}"
    plots = [
        plot("Submissions: latency from their time, ms", milliseconds, threshold),
        plot("Submissions a second", {"due": _of(seconds, "due"), "accepted": _of(seconds, "accepted")}),
        plot("In flight, and failures", {"in flight": _of(seconds, "in_flight"), "failures": _of(seconds, "failures")}),
    ]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{STYLE}</style>"
        f"<h1>{html.escape(title)}</h1><p>{html.escape(facts)}</p><pre>{html.escape(chr(10).join(verdict))}</pre>"
        f"{''.join(plots)}</html>\n"
    )


def plot(title: str, lines: Mapping[str, Line], threshold: float | None = None) -> str:
    """Second by second; what did not come leaves a gap."""
    values = [value for line in lines.values() for value in line if value is not None]
    top = max([*values, (threshold or 0) * 1.1, 1])
    length = max(len(line) for line in lines.values())
    parts, legend = [_axis(top, length)], []
    if threshold:
        y = _y(threshold, top)
        parts.append(f'<path d="M{LEFT} {y}H{WIDTH}" stroke="#b91c1c" stroke-dasharray="5 4"/>')
        legend.append('<span style="color:#b91c1c">objective</span>')
    for (name, line), colour in zip(lines.items(), COLOURS, strict=False):
        parts.append(f'<path d="{_path(line, top, length)}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        legend.append(f'<span style="color:{colour}">{html.escape(name)}</span>')
    return (
        f"<h2>{html.escape(title)}</h2><p>{' · '.join(legend)}</p>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT + BOTTOM}" font-size="11">{"".join(parts)}</svg>'
    )


def _axis(top: float, length: int) -> str:
    rows = [
        f'<path d="M{LEFT} {_y(value, top)}H{WIDTH}" stroke="#e5e7eb"/>'
        f'<text x="{LEFT - 6}" y="{_y(value, top) + 4}" text-anchor="end">{value:,.4g}</text>'
        for value in (0, top / 2, top)
    ]
    columns = [
        f'<text x="{_x(second, length)}" y="{HEIGHT + 18}" text-anchor="middle">{second} s</text>'
        for second in sorted({0, length // 2, length - 1} if length else {0})
    ]
    return "".join([*rows, *columns])


def _path(line: Line, top: float, length: int) -> str:
    parts, pen = [], "M"
    for second, value in enumerate(line):
        if value is None:
            pen = "M"
            continue
        parts.append(f"{pen}{_x(second, length):.1f} {_y(value, top):.1f}")
        pen = "L"
    return "".join(parts)


def _x(second: int, length: int) -> float:
    return round(LEFT + (WIDTH - LEFT - 20) * second / max(1, length - 1), 1)


def _y(value: float, top: float) -> float:
    return round(10 + (HEIGHT - 10) * (1 - value / top), 1)


def _of(seconds: Sequence[Mapping[str, Any]], name: str) -> Line:
    return [second[name] for second in seconds]


def _thousandfold(value: float | None) -> float | None:
    return None if value is None else value * 1000
