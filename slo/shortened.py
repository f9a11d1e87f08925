"""Prometheus' folder with all windows and waits divided, to see in minutes an alert that takes an hour in production.

Only for trying: such alerts wake people for nothing.
"""

import re
import shutil
from pathlib import Path
from typing import Any

import yaml

from slo.document import seconds
from slo.text import as_yaml

SCRAPE_SECONDS = 5
LEAST_SECONDS = 4 * SCRAPE_SECONDS
"""A rate over less would often find one sample, which is no rate."""

_RANGE = re.compile(r"\[(\d+[smhd])\]")


def write(folder: Path, to: Path, divisor: int) -> list[Path]:
    """The rules, and prometheus.yml with an interval that fits. Raises `OSError`."""
    (to / "rules").mkdir(parents=True, exist_ok=True)
    written = []
    for path in sorted((folder / "rules").glob("*.yml")):
        rules = shorter(yaml.safe_load(path.read_text()), divisor)
        target = to / "rules" / path.name
        target.write_text(as_yaml(rules, f"{path.name} with windows and waits divided by {divisor}: only for trying."))
        written.append(target)
    shutil.copy(folder / "prometheus.yml", to)
    settings = to / "prometheus.yml"
    settings.write_text(
        re.sub(r"(scrape|evaluation)_interval: \w+", rf"\1_interval: {SCRAPE_SECONDS}s", settings.read_text())
    )
    return [*written, settings]


def shorter(rules: Any, divisor: int) -> Any:
    """Names stay: `slo:sli_error:ratio_rate1h` is then of a shorter hour."""
    for group in rules["groups"]:
        group.pop("interval", None)
        for rule in group["rules"]:
            rule["expr"] = _RANGE.sub(lambda found: f"[{_divided(found[1], divisor, LEAST_SECONDS)}]", rule["expr"])
            if "for" in rule:
                rule["for"] = _divided(rule["for"], divisor, 0)
    return rules


def _divided(duration: str, divisor: int, least: int) -> str:
    return f"{max(least, seconds(duration) // divisor)}s"
