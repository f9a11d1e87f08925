"""What a person reads at the end."""

from collections.abc import Iterator, Mapping, Sequence

from loadtest.limits import Limits
from loadtest.run import Outcome
from loadtest.samples import Summary, percentile
from loadtest.series import milliseconds
from loadtest.verdict import Line, objectives

SHARES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999, "max": 1.0}


def rows(found: Summary) -> Mapping[str, Sequence[float]]:
    return {
        "submission, from its time": found.latency,
        "submission, from being sent": found.latency_sent,
        "submission, in the service": found.latency_served,
        "job, from runnable to started": found.start_delay,
        "job, from its time to its end": found.completion,
        "generator, late by": found.lateness,
    }


def table(found: Summary) -> Iterator[str]:
    yield f"  {'':30}{'count':>10}" + "".join(f"{name:>11}" for name in SHARES)
    for name, samples in rows(found).items():
        cells = "".join(f"{milliseconds(percentile(samples, share)):>11}" for share in SHARES.values())
        yield f"  {name:30}{len(samples):>10,}{cells}"


def ramp_table(limits: Limits, outcome: Outcome) -> Iterator[str]:
    """A line a step, with the latencies from the arrival's own time."""
    yield (
        f"  {'asked':>8}{'reached':>10}"
        + "".join(f"{name:>11}" for name in SHARES)
        + f"{'start p99':>11}{'late p99':>11}"
    )
    for _, found in outcome.steps:
        cells = "".join(f"{milliseconds(percentile(found.latency, share)):>11}" for share in SHARES.values())
        cells += "".join(
            f"{milliseconds(percentile(samples, 0.99)):>11}" for samples in (found.start_delay, found.lateness)
        )
        broken = ", ".join(line.name for line in objectives(limits, found) if not line.good)
        yield f"  {found.asked.rate:>8g}{found.achieved_rate:>10.1f}{cells}  {broken}"


def verdict(lines: Sequence[Line]) -> Iterator[str]:
    names = {True: "ok", False: "FAIL", None: "----"}
    width = max(len(line.name) for line in lines)
    for line in lines:
        yield f"  {names[line.good]:4}  {line.name:{width}}  {line.text}"
