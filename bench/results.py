"""What was measured, kept in docs/bench/results.json, and what the documentation shows of it: `python -m bench.results`
writes the tables between their marks and draws the plots, from that file alone."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.figures import Figure, Part, number
from bench.peers.kill import JOBS
from bench.peers.roster import QUEUE, SERVICE

ROOT = Path(__file__).parents[1]
FILE = Path("docs/bench/results.json")
PAGE = Path("docs/performance.md")
README = Path("README.md")
BEGIN, END = "<!-- from docs/bench/results.json: `python -m bench.results` -->\n", "<!-- end -->"


def store(part: Part, machine: str) -> None:
    """A part that is measured again replaces its former figures."""
    path = ROOT / FILE
    found = json.loads(path.read_text()) if path.exists() else {}
    found[part.name] = {**part.as_json(), "machine": machine, "on": datetime.now(UTC).date().isoformat()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


def load() -> dict[str, Any]:
    """Parts by name, with the machine and the day."""
    found: dict[str, Any] = json.loads((ROOT / FILE).read_text())
    return found


def parts_of(found: Mapping[str, Any]) -> dict[str, Part]:
    return {name: Part.from_json(part) for name, part in found.items()}


Block = Callable[[Mapping[str, Any]], str]
"""Makes the part of a page that is between the marks."""


def write() -> None:
    from bench import plots

    found = load()
    plots.draw(parts_of(found), ROOT / FILE.parent)
    for page, block in ((README, comparison(found)), (PAGE, tables(found))):
        path = ROOT / page
        path.write_text(replaced(path.read_text(), block))


def replaced(text: str, block: str) -> str:
    """The page, with that between its marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{block}{END}{after}"


def comparison(found: Mapping[str, Any]) -> str:
    """The README's table: this service and the other job queues, side by side."""
    parts = parts_of(found)
    submission, drain, kill = (parts[f"peers_{name}"] for name in ("submission", "drain", "kill"))
    rates = {figure.name: figure for figure in submission.figures}
    drains = {figure.name: figure for figure in drain.figures}
    rows: list[Sequence[str]] = [
        ("", "on disk before the 202", "POST /jobs, 1/s", "its p99", "no-op jobs/s", "after `kill -9`"),
        ("---", "---", "--:", "--:", "--:", "---"),
    ]
    for name, facts in sorted(submission.facts.items(), key=lambda pair: pair[0] != SERVICE.name):
        shown = {QUEUE.name: "its queue alone, behind the others' POST", SERVICE.name: "**this service**"}.get(
            name, name
        )
        drained = _median(drains[name]) if name in drains else ""
        killed = _killed(kill.facts[name]) if name in kill.facts else ""
        disk = "yes" if facts["durability"].startswith("on disk") else "within a second"
        rows.append((shown, disk, _median(rates[name]), f"{_median(rates[f'{name}, p99'])} ms", drained, killed))
    return "\n" + _markdown(rows) + "\n\n"


def tables(found: Mapping[str, Any]) -> str:
    """The page's: every figure of every part, with its spread, its goal, and whether that was met."""
    sections = []
    for name, part in parts_of(found).items():
        rows: list[Sequence[str]] = [
            ("", "median (least, greatest)", "", "goal", ""),
            ("---", "--:", "---", "--:", "---"),
        ]
        rows += [_row(figure) for figure in part.figures]
        about = f"{part.how}  \n`make bench PARTS={name}` · {found[name]['on']} · {found[name]['machine']}"
        sections.append(f"### {part.title}\n\n{about}\n\n{_markdown(rows)}\n{_promises(part)}")
    return "\n" + "\n".join(sections)


def _row(figure: Figure) -> tuple[str, ...]:
    verdict = {None: "", True: "met", False: "**missed**"}[figure.met]
    return figure.name, figure.shown, figure.unit, figure.goal, verdict


def _promises(part: Part) -> str:
    """What the systems are, under the first table that compares them."""
    if part.name != "peers_drain":
        return ""
    rows: list[Sequence[str]] = [("", "versions", "on disk before the 202", "promise", "after `kill -9`"), ("---",) * 5]
    for name, facts in part.facts.items():
        versions = ", ".join(f"{package} {version}" for package, version in facts["versions"].items())
        rows.append((name, versions, facts["durability"], facts["promise"], facts["after_kill"]))
    return f"\n{_markdown(rows)}\n"


def _killed(found: Mapping[str, Any]) -> str:
    """Of the jobs that ran or waited when the worker was killed."""
    if found["all_done_after_seconds"] is not None:
        return f"all run again, the last done after {found['all_done_after_seconds']:.0f} s"
    said = [f"{found['done']} of {JOBS} done"]
    said += [f"{found['lost']} lost"] if found["lost"] else []
    said += [f"{found['held']} stuck"] if found["held"] else []
    return ", ".join(said)


def _median(figure: Figure) -> str:
    return number(figure.median)


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    write()
