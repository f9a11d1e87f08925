"""The tables of docs/slo.md, between their marks."""

from collections.abc import Iterator, Sequence

from slo.document import Document, Objective, Windows, seconds

BEGIN, END = "<!-- from slo.yaml: `make slo` -->\n", "<!-- end -->"


def page(document: Document, text: str) -> str:
    """The page with its tables anew. Raises `ValueError` where it has not two pairs of marks."""
    parts = text.split(BEGIN)
    if len(parts) != 3:
        raise ValueError(f"docs/slo.md has {len(parts) - 1} marks {BEGIN.strip()}, not 2")
    tables = (_table(_objectives(document)), _table(_windows(document)))
    blocks = (f"{BEGIN}\n{table}\n{END}{part.partition(END)[2]}" for table, part in zip(tables, parts[1:], strict=True))
    return parts[0] + "".join(blocks)


def _objectives(document: Document) -> Iterator[Sequence[str]]:
    yield "objective", "promise", "measured by", "an outage pages after"
    yield "---", "---", "---", "--:"
    for objective in document.objectives:
        measured = f"`{objective.threshold.metric}`" if objective.threshold else "requests by status"
        yield f"`{objective.name}`", objective.promise, measured, _outage(document, objective)


def _outage(document: Document, objective: Objective) -> str:
    """Until the long window of the first pair that can fire holds enough errors, if everything fails."""
    waits = [seconds(pair.long) * pair.burn * objective.budget for pair in document.windows["page"]]
    return f"{min(waits) / 60:.0f} min" if min(waits) >= 90 else f"{min(waits):.0f} s"


def _windows(document: Document) -> Iterator[Sequence[str]]:
    yield "severity", "long window", "short window", "burn rate", "budget used by then"
    yield "---", "--:", "--:", "--:", "--:"
    for severity, pairs in document.windows.items():
        for pair in pairs:
            yield severity, pair.long, pair.short, f"{pair.burn:g}", f"{_used(document, pair):.0%}"


def _used(document: Document, pair: Windows) -> float:
    return pair.burn * seconds(pair.long) / seconds(document.period)


def _table(rows: Iterator[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
