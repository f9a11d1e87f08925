"""The verdict on a measured step: a line for each objective. Nothing here measures."""

from collections.abc import Iterator
from dataclasses import dataclass

from loadtest.limits import Limits
from loadtest.samples import Summary, percentile, share_within
from loadtest.series import milliseconds

LATE_SHARE = 0.25  # of the latency threshold: a generator later than this judges itself

TOO_BUSY = "the generator could not keep up, its machine is too busy. Use another one, or a lower RATE"


@dataclass(frozen=True, slots=True)
class Line:
    good: bool | None  # None: not judged
    name: str
    text: str


def objectives(limits: Limits, found: Summary) -> Iterator[Line]:
    """Of what the clients saw."""
    if not found.requests:
        yield Line(False, "requests", "none was sent, and nothing is not good: ask for a RATE and a DURATION")
        return
    yield _rate(limits, found)
    yield _latency(limits, found)
    yield _availability(limits, found)
    yield _start_delay(limits, found)
    yield _completion(found)


def generator(limits: Limits, found: Summary) -> Iterator[Line]:
    """Whether the load test itself kept up: what it sends late, it measures late."""
    if found.lateness:
        late, most = percentile(found.lateness, 0.99), LATE_SHARE * _threshold(limits, "submission-latency")
        yield Line(
            late <= most,
            "generator",
            f"sent 99 % within {milliseconds(late)} of their time, at most {milliseconds(most)}"
            + ("" if late <= most else f": {TOO_BUSY}"),
        )


def _rate(limits: Limits, found: Summary) -> Line:
    least = limits.least_rate_share * found.asked.rate
    dropped = f"; {found.dropped:,} were dropped, with too many in flight" if found.dropped else ""
    return Line(
        found.achieved_rate >= least,
        "rate",
        f"{found.achieved_rate:.1f} submissions/s accepted of {found.asked.rate:g} asked, at least {least:g}{dropped}",
    )


def _latency(limits: Limits, found: Summary) -> Line:
    """By the answers' own word (`X-Processed-Time`), as the objective is the service's. What the clients saw stands
    beside it: TLS, proxy and generator are in that too, and comparison.py bounds how far the two may be apart."""
    objective, threshold = limits.objectives["submission-latency"], _threshold(limits, "submission-latency")
    share, seen = (share_within(samples, threshold) for samples in (found.latency_served, found.latency))
    return Line(
        share >= objective.ratio,
        objective.name,
        f"{percent(share)} of {len(found.latency):,} served within {milliseconds(threshold)},"
        f" at least {percent(objective.ratio)} ({percent(seen)} as the clients saw it)",
    )


def _availability(limits: Limits, found: Summary) -> Line:
    objective = limits.objectives["availability"]
    share = 1 - found.failed / found.requests
    what = "; ".join(f"{count:,} times {failure}" for failure, count in sorted(found.failures.items())[:5])
    return Line(
        share >= objective.ratio,
        objective.name,
        f"{percent(share)} of {found.requests:,} requests as expected, at least {percent(objective.ratio)}"
        + (f": {what}" if what else ""),
    )


def _start_delay(limits: Limits, found: Summary) -> Line:
    objective, threshold = limits.objectives["start-delay"], _threshold(limits, "start-delay")
    share = share_within(found.start_delay, threshold)
    return Line(
        share >= objective.ratio,
        objective.name,
        f"{percent(share)} of {len(found.start_delay):,} jobs started within {milliseconds(threshold)},"
        f" at least {percent(objective.ratio)}",
    )


def _completion(found: Summary) -> Line:
    others = {state: count for state, count in found.states.items() if state != "succeeded"}
    what = ", ".join(f"{count:,} {state or 'never seen'}" for state, count in sorted(others.items()))
    return Line(
        0 < found.followed == found.succeeded,
        "completion",
        f"{found.succeeded:,} of {found.followed:,} jobs that were followed succeeded, all must"
        + (f": {what}" if what else ""),
    )


def _threshold(limits: Limits, name: str) -> float:
    threshold = limits.objectives[name].threshold
    assert threshold, f"slo.json has no threshold of {name}"  # noqa: S101
    return threshold


def percent(share: float) -> str:
    """Cut, not rounded: 98.999 % must not look like 99 %."""
    return f"{int(share * 100_000 + 1e-6) / 1000:g} %"
