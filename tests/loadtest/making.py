"""Stories, limits and counters as they might have been."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

from loadtest.counters import Between, Counters
from loadtest.limits import Limits, Objective
from loadtest.samples import Measured, Story, Summary, summarize
from loadtest.scenario import Step

EDGES = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
LIMITS = Limits(
    rate=10,
    least_rate_share=0.95,
    objectives={
        "submission-latency": Objective("submission-latency", 0.99, "job_submit_seconds", 0.1),
        "availability": Objective("availability", 0.999, None, None),
        "start-delay": Objective("start-delay", 0.99, "job_wait_seconds", 0.5),
    },
    edges={"job_submit_seconds": EDGES, "job_wait_seconds": EDGES},
)
STEP = Step(rate=10, seconds=100)
COUNT = 1000


def make_story(due: float = 0.0, took: float = 0.02, late: float = 0.001, start_delay: float = 0.003) -> Story:
    return Story(
        due=due,
        sent=due + late,
        answered=due + late + took,
        status=202,
        served=took,
        ended=due + late + took + 0.1,
        state="succeeded",
        start_delay=start_delay,
        requests=2,
    )


def refused(due: float, status: int) -> Story:
    return Story(due, sent=due, answered=due, ended=due, status=status, requests=1, failures=(f"POST /jobs: {status}",))


def make_summary(others: Iterable[Story] = (), step: Step = STEP, count: int = COUNT, dropped: int = 0) -> Summary:
    """So many arrivals in all, of which `others` are not as good as the rest."""
    others = list(others)
    stories = [*others, *(make_story(number / step.rate) for number in range(len(others), count))]
    return summarize(Measured(step, 0.0, stories, dropped))


def counters(
    submitted: Mapping[str, float], worker: str = "0", started: float = 1000.0, succeeded: float | None = None
) -> Counters:
    """Of one worker that has taken so many submissions in each bucket (by its `le`)."""

    def labels(name: str, **others: str) -> tuple[tuple[str, str], ...]:
        return tuple(sorted({"__name__": name, "job": "service", "worker": worker, **others}.items()))

    total = sum(submitted.values())
    found = {
        labels("process_start_time_seconds"): started,
        labels("job_submit_seconds_count", outcome="accepted"): total,
        labels("job_submit_seconds_count", outcome="rejected"): 0.0,
        labels("http_requests_total", method="POST", route="/jobs", status="202"): total,
        labels("jobs_attempts_total", kind="sleep", outcome="succeeded"): total if succeeded is None else succeeded,
        labels("job_wait_seconds_count", kind="sleep"): total,
    }
    for edge in (*EDGES, math.inf):
        le = "+Inf" if edge == math.inf else str(edge)
        below = sum(count for upper, count in submitted.items() if float(upper) <= edge)
        found[labels("job_submit_seconds_bucket", outcome="accepted", le=le)] = below
        found[labels("job_wait_seconds_bucket", kind="sleep", le=le)] = below
    return found


def between(
    took: Mapping[str, float] | None = None, *, started_again: bool = False, succeeded: float | None = None
) -> Between:
    """Two workers, each of which took half, after a warm-up of 50 each."""
    took = {"0.025": COUNT} if took is None else took
    before = {"0.025": 50.0}
    halves = {edge: count / 2 for edge, count in took.items()}
    after = {edge: before.get(edge, 0.0) + halves.get(edge, 0.0) for edge in {*before, *halves}}
    done = None if succeeded is None else 50.0 + succeeded / 2
    return Between(
        {**counters(before, "0"), **counters(before, "1")},
        {
            **counters(after, "0", succeeded=done),
            **counters(after, "1", started=2000.0 if started_again else 1000.0, succeeded=done),
        },
    )


def with_rate(summary: Summary, rate: float) -> Summary:
    return replace(summary, asked=Step(rate, summary.asked.seconds))
