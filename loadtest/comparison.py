"""What the client counted against what Prometheus counted in the same window: equal, to the last submission."""

import math
from bisect import bisect_left
from collections.abc import Iterator

from loadtest.counters import Between
from loadtest.limits import Limits
from loadtest.samples import Summary, percentile
from loadtest.series import milliseconds
from loadtest.verdict import Line, percent

WAY_SECONDS = 0.01  # TLS, proxy and network in any case; the buckets of a fast service are smaller


def counts(between: Between, accepted: int, succeeded: int, unknown: int) -> Iterator[Line]:
    """`unknown`: submissions of which the client does not know the fate; Prometheus may have counted them, or not."""
    if broken := sorted(set(between.broken())):
        yield Line(False, "prometheus", f"cannot be compared: {'; '.join(broken)}. Measure again.")
        return
    durable = between.total("job_submit_seconds_count", outcome="accepted")
    answered = between.total("http_requests_total", method="POST", route="/jobs", status="202")
    done = between.total("jobs_attempts_total", outcome="succeeded")
    yield _count("submissions made durable", durable, accepted, unknown)
    yield _count("submissions answered with 202", answered, accepted, unknown)
    yield _count("attempts succeeded", done, succeeded, unknown + accepted - succeeded)


def objectives(between: Between, limits: Limits) -> Iterator[Line]:
    """The service's own histograms against the objectives, as the alerts see them."""
    if any(between.broken()):
        return
    for objective in limits.objectives.values():
        if objective.metric and objective.threshold:
            good = {"outcome": "accepted"} if objective.name == "submission-latency" else {}
            total = between.total(f"{objective.metric}_count") - between.total(
                f"{objective.metric}_count", outcome="rejected"
            )
            share = between.within(objective.metric, objective.threshold, **good) / total if total else 0.0
            yield Line(
                share >= objective.ratio,
                objective.name,
                f"{percent(share)} of {total:,} within {milliseconds(objective.threshold)} by Prometheus,"
                f" at least {percent(objective.ratio)}",
            )


def percentiles(between: Between, limits: Limits, found: Summary) -> Iterator[Line]:
    """The p99 of a client and of the histogram lie in the same bucket, or in neighbours: a client waits for TLS and the
    proxy, too. Farther apart, one of them measures something else."""
    if any(between.broken()) or not found.latency_sent:
        return
    edges = (0.0, *limits.edges["job_submit_seconds"], math.inf)
    theirs = between.percentile_edge("job_submit_seconds", 0.99, edges, outcome="accepted")
    ours = percentile(found.latency_sent, 0.99)
    if math.isnan(theirs):
        yield Line(False, "p99", f"{milliseconds(ours)} by the client, and Prometheus has no submission")
        return
    place = edges.index(theirs)
    near = abs(bisect_left(edges, ours) - place) <= 1 or theirs < ours <= theirs + WAY_SECONDS
    text = (
        f"{milliseconds(ours)} by the client, {milliseconds(edges[place - 1])} to {milliseconds(theirs)} by Prometheus"
    )
    if not near:
        served = milliseconds(percentile(found.latency_served, 0.99))
        text += (
            f": more than a bucket apart. By `X-Processed-Time` the service took {served}: if Prometheus agrees with"
        )
        text += (
            " that, the rest was spent in the proxy, the network or the generator; if not, its histogram is not true"
        )
    yield Line(near, "p99", text)


def _count(what: str, theirs: int, ours: int, unknown: int) -> Line:
    text = f"{theirs:,} {what}, {ours:,} by the client"
    if unknown:
        text += f", and {unknown:,} of unknown fate"
    if theirs < ours:
        text += f": {ours - theirs:,} fewer. Perhaps the metrics of a worker are missing: see `worker_up`"
    elif theirs > ours + unknown:
        text += (
            f": {theirs - ours - unknown:,} more. Perhaps others used the stack meanwhile: measure again without them"
        )
    return Line(ours <= theirs <= ours + unknown, "prometheus", text)
