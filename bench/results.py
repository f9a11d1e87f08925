"""Keeps what was measured in docs/bench/results.json: a part that is measured again replaces its former figures."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.figures import Part

ROOT = Path(__file__).parents[1]
FILE = Path("docs/bench/results.json")
PAGE = Path("docs/performance.md")


def store(part: Part, machine: str) -> None:
    found = load()
    found[part.name] = {**part.as_json(), "machine": machine, "on": datetime.now(UTC).date().isoformat()}
    (ROOT / FILE).parent.mkdir(parents=True, exist_ok=True)
    (ROOT / FILE).write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


def load() -> dict[str, Any]:
    """Parts by name."""
    path = ROOT / FILE
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found
