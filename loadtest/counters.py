"""Prometheus' raw counters at two moments, and what came between. Not `rate()` nor `increase()`, which extrapolate."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

STARTED = "process_start_time_seconds"  # of each worker; another value is another process, which counts from 0 again
QUERY = (
    '{job="service", __name__=~"job_(submit|wait)_seconds_(count|bucket)|http_requests_total|jobs_attempts_total'
    f'|{STARTED}"}}'
)

Labels = tuple[tuple[str, str], ...]
Counters = Mapping[Labels, float]


def parsed(result: Sequence[Mapping[str, Any]]) -> Counters:
    """An instant vector as the HTTP API gives it."""
    return {tuple(sorted(found["metric"].items())): float(found["value"][1]) for found in result}


def edges(counters: Counters, metric: str) -> set[float]:
    """The `le` of a histogram."""
    return {float(dict(labels)["le"]) for labels in counters if dict(labels).get("__name__") == f"{metric}_bucket"} - {
        math.inf
    }


@dataclass(frozen=True, slots=True)
class Between:
    """Two moments at which nothing was in flight, and a scrape of each."""

    before: Counters
    after: Counters

    def broken(self) -> Iterator[str]:
        """Why these counters cannot be subtracted."""
        before, after = _started(self.before), _started(self.after)
        restarted = {worker for worker in before.keys() & after.keys() if before[worker] != after[worker]}
        for workers, what in (
            (before.keys() - after.keys(), "missing in the last scrape"),
            (after.keys() - before.keys(), "new"),
            (restarted, "restarted, and counts from 0 again"),
        ):
            yield from (f"worker {worker} is {what}" for worker in sorted(workers))
        if before == after:  # and still
            fell = {
                dict(labels)["__name__"] for labels, value in self.before.items() if self.after.get(labels, 0) < value
            }
            yield from (f"{name} fell" for name in sorted(fell))

    def total(self, name: str, **wanted: str) -> int:
        """How much it grew, over all workers. A series that began meanwhile began at 0."""
        return round(sum(value for _, value in self._grown(name, wanted)))

    def within(self, metric: str, threshold: float, **wanted: str) -> int:
        """How many fell into the buckets up to this edge."""
        found = self._grown(f"{metric}_bucket", wanted)
        return round(sum(value for labels, value in found if float(labels["le"]) == threshold))

    def percentile_edge(self, metric: str, share: float, edges: Sequence[float], **wanted: str) -> float:
        """The upper edge of the bucket that holds it; NaN of none."""
        count = self.total(f"{metric}_count", **wanted)
        if not count:
            return math.nan
        return next((edge for edge in edges if self.within(metric, edge, **wanted) >= share * count), math.inf)

    def _grown(self, name: str, wanted: Mapping[str, str]) -> Iterator[tuple[Mapping[str, str], float]]:
        for labels, value in self.after.items():
            found = dict(labels)
            if found["__name__"] == name and wanted.items() <= found.items():
                yield found, value - self.before.get(labels, 0.0)


def _started(counters: Counters) -> Mapping[str, float]:
    """When each worker did."""
    found = ((dict(labels), value) for labels, value in counters.items())
    return {labels["worker"]: value for labels, value in found if labels["__name__"] == STARTED}
