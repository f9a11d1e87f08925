"""The same second by second, for progress and plots."""

import math
from collections.abc import Iterator, Mapping, Sequence

from loadtest.samples import Measured, Story, percentile

Second = Mapping[str, float | int | None]


def seconds(measured: Measured) -> Iterator[Second]:
    """For each second what was due in it; `in_flight` is at its end."""
    length = math.ceil(measured.step.seconds)
    due: list[list[Story]] = [[] for _ in range(length)]
    change = [0] * (length + 1)
    for story in measured.stories:
        at = min(int(story.due - measured.start), length - 1)
        due[at].append(story)
        change[at] += 1
        if story.ended < math.inf:
            change[min(int(story.ended - measured.start), length)] -= 1
    in_flight = 0
    for at, stories in enumerate(due):
        in_flight += change[at]
        found = sorted(story.answered - story.due for story in stories if story.accepted)
        yield {
            "second": at,
            "due": len(stories),
            "accepted": len(found),
            "p50": finite(percentile(found, 0.5)),
            "p99": finite(percentile(found, 0.99)),
            "failures": sum(len(story.failures) for story in stories),
            "in_flight": in_flight,
        }


def progress(elapsed: float, measured: Measured, latest: Sequence[Story], over: float, in_flight: int) -> str:
    """A line about what was sent in the last `over` seconds."""
    accepted = sorted(story.answered - story.due for story in latest if story.accepted)
    dropped = f"   {measured.dropped} dropped" if measured.dropped else ""
    return (
        f"  {clock(elapsed)} of {clock(measured.step.seconds)}   {len(accepted) / over:7.1f}/s"
        f"   p50 {milliseconds(percentile(accepted, 0.5)):>8}   p99 {milliseconds(percentile(accepted, 0.99)):>8}"
        f"   {measured.failed} failed   {in_flight} in flight{dropped}"
    )


def finite(value: float) -> float | None:
    """For JSON, which has no infinity."""
    return round(value, 6) if math.isfinite(value) else None


def clock(seconds: float) -> str:
    return f"{int(seconds) // 60:02}:{int(seconds) % 60:02}"


def milliseconds(value: float) -> str:
    if math.isnan(value):
        return "-"
    if math.isinf(value):
        return "never"
    return f"{value * 1000:.1f} ms" if value < 0.1 else f"{value * 1000:,.0f} ms"
