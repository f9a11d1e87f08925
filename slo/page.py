"""What README.md and docs/slo.md say of the objectives, between their marks."""

from collections.abc import Iterator, Sequence

from slo.document import Document, Objective, Windows, seconds

BEGIN, END = "<!-- from slo.yaml: `make slo` -->\n", "<!-- end -->"


def page(document: Document, text: str) -> str:
    """docs/slo.md with its tables anew. Raises `ValueError` where marks are missing."""
    return _replaced(text, (_table(_objectives(document)), _table(_windows(document))))


def readme(document: Document, text: str) -> str:
    """README.md with its list of promises anew. Raises `ValueError` where marks are missing."""
    lines = [f"- {objective.promise}\n" for objective in document.objectives]
    return _replaced(text, ("".join(lines) + f"- at {document.rate:g} submissions a second on two cores\n",))


def _replaced(text: str, blocks: Sequence[str]) -> str:
    before, *rest = text.split(BEGIN)
    if len(rest) != len(blocks):
        raise ValueError(f"{text.partition(chr(10))[0]}: has {len(rest)} times {BEGIN.strip()}, not {len(blocks)}")
    return before + "".join(
        f"{BEGIN}\n{block}\n{END}{part.partition(END)[2]}" for block, part in zip(blocks, rest, strict=True)
    )


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
