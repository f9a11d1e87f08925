"""Finding the knee: the last rate at which all objectives hold."""

from collections.abc import Sequence
from dataclasses import dataclass

from loadtest.limits import Limits
from loadtest.samples import Summary
from loadtest.verdict import Line, generator, objectives

CLEARLY = 2  # broken steps in a row; one alone may be the machine's moment


@dataclass(frozen=True, slots=True)
class Knee:
    held: Summary | None  # the last step before those that broke
    broken: Summary | None  # the first that broke, and was followed by broken ones only
    reasons: Sequence[str]  # the objectives that broke there
    late: bool  # the generator could not keep up there, and the service may bear more


def over(limits: Limits, steps: Sequence[Summary]) -> bool:
    last = steps[-CLEARLY:]
    return len(last) == CLEARLY and all(_broken(limits, step) for step in last)


def knee(limits: Limits, steps: Sequence[Summary]) -> Knee:
    held = next((number for number in reversed(range(len(steps))) if not _broken(limits, steps[number])), -1)
    broken = steps[held + 1] if held + 1 < len(steps) else None
    return Knee(
        held=steps[held] if held >= 0 else None,
        broken=broken,
        reasons=_broken(limits, broken) if broken else (),
        late=broken is not None and not all(line.good for line in generator(limits, broken)),
    )


def lines(limits: Limits, steps: Sequence[Summary]) -> Sequence[Line]:
    """The measurement is good if it found something; that it breaks at some rate is the point."""
    found = knee(limits, steps)
    if found.held is None:
        broke = f"already the first step, {steps[0].asked.rate:g}/s, broke {', '.join(found.reasons)}"
        return [Line(False, "knee", f"{broke}: begin with a lower RATE")]
    text = f"all objectives hold at {found.held.asked.rate:g} submissions/s"
    if found.broken is None:
        return [Line(True, "knee", f"{text}, the last step: it may bear more, begin with a higher RATE")]
    text += f"; at {found.broken.asked.rate:g}/s broke {', '.join(found.reasons)}"
    if found.late:
        text += ". The generator was late there too: on a machine of its own it may find more"
    return [Line(True, "knee", text)]


def _broken(limits: Limits, step: Summary) -> Sequence[str]:
    """The names of the objectives that do not hold; a generator that is late counts, as nothing can be said then."""
    found = [*objectives(limits, step), *generator(limits, step)]
    return [line.name for line in found if not line.good]
