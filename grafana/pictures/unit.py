"""Numbers as Grafana writes them, for the units that our panels have."""

import math
from collections.abc import Sequence

_SI = ((1e9, "G"), (1e6, "M"), (1e3, "K"), (1, ""))
_SCALES: dict[str, Sequence[tuple[float, str]]] = {
    "percentunit": ((0.01, "%"),),
    "s": ((86400, " d"), (3600, " h"), (60, " min"), (1, " s"), (1e-3, " ms"), (1e-6, " µs")),
    "bytes": ((1024**3, " GiB"), (1024**2, " MiB"), (1024, " KiB"), (1, " B")),
    "Bps": ((1e9, " GB/s"), (1e6, " MB/s"), (1e3, " kB/s"), (1, " B/s")),
    "reqps": tuple((factor, f"{letter} req/s") for factor, letter in _SI),
    "short": tuple((factor, letter and f" {letter}") for factor, letter in _SI),
}


def scale(unit: str, size: float) -> tuple[float, str]:
    """The factor and name of the unit in which a value of this size reads best."""
    if unit.startswith("suffix:"):
        return 1, f" {unit.removeprefix('suffix:')}"
    scales = _SCALES[unit]
    if size == 0:
        return next(found for found in scales if found[0] == 1 or len(scales) == 1)
    return next((found for found in scales if abs(size) >= found[0]), scales[-1])


def written(unit: str, value: float, decimals: int | None = None) -> str:
    """With three digits that count, or as many decimals as asked."""
    factor, name = scale(unit, value)
    number = value / factor
    if decimals is None:
        decimals = max(0, 2 - math.floor(math.log10(abs(number)))) if number else 0
        return f"{number:.{min(decimals, 3)}f}".rstrip("0").rstrip(".") + name if decimals else f"{number:.0f}{name}"
    return f"{number:.{decimals}f}{name}"
