"""Every metric of one process, in a registry of its own, with the label values that exist from the start.

A series that appears with its first error has no rate before it, so a ratio would be absent instead of 0. Therefore the
children of closed label sets are made here. Where `cache` stands, the attribute is called with label values and gives
the child: `labels()` itself locks and hashes on each call.
"""

import platform
from collections.abc import Sequence
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from service.domain.job import Outcome
from service.telemetry.edges import EDGES

JOB_EDGES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
COMMIT_EDGES = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
BATCH_EDGES = (1, 2, 5, 10, 20, 50, 100, 200, 500)
SIZE_EDGES = (256, 1024, 4096, 16384, 65536, 262144, 1048576)

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
OTHER_METHOD = "_OTHER"
UNMATCHED = "unmatched"
UNKNOWN_KIND = "unknown"
FENCED = "fenced"
_OPERATION = (("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/metrics"))
# The first one is the ordinary one, whose duration also exists from the start.
_EXPECTED = {
    "GET": (200, 304, 401, 404, 422, 500, 503),
    "POST": (202, 200, 400, 401, 404, 409, 413, 415, 422, 429, 500, 503),
}


class Metrics:
    """Names and labels as in docs/telemetry.md. `routes`: (method, template) pairs."""

    def __init__(
        self, kinds: Sequence[str], routes: Sequence[tuple[str, str]], version: str, sqlite_version: str
    ) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = cache(
            Counter(
                "http_requests_total", "Requests by route template.", ["method", "route", "status"], registry=registry
            ).labels
        )
        self.request_duration = cache(
            Histogram(
                "http_request_duration_seconds",
                "From the request's arrival to its last byte; without event streams and `Prefer: wait`.",
                ["method", "route", "status"],
                buckets=EDGES["http_request_duration_seconds"],
                registry=registry,
            ).labels
        )
        self.in_flight = Gauge(
            "http_requests_in_flight", "Requests being answered, without scrapes.", registry=registry
        )
        self.response_size = Histogram(
            "http_response_size_bytes", "Bodies sent, without scrapes.", buckets=SIZE_EDGES, registry=registry
        )
        self.submit = cache(
            Histogram(
                "job_submit_seconds",
                "From the request's arrival to the job durable (or refused): the submission SLO.",
                ["outcome"],
                buckets=EDGES["job_submit_seconds"],
                registry=registry,
            ).labels
        )
        self.submitted = cache(
            Counter("jobs_submitted_total", "Jobs made durable.", ["kind"], registry=registry).labels
        )
        self.rejected = cache(Counter("jobs_rejected_total", "Jobs not taken.", ["reason"], registry=registry).labels)
        self.attempts = cache(
            Counter("jobs_attempts_total", "Ended attempts.", ["kind", "outcome"], registry=registry).labels
        )
        self.wait = cache(
            Histogram(
                "job_wait_seconds",
                "From runnable to started.",
                ["kind"],
                buckets=EDGES["job_wait_seconds"],
                registry=registry,
            ).labels
        )
        self.run = cache(
            Histogram(
                "job_run_seconds", "Length of an attempt.", ["kind", "outcome"], buckets=JOB_EDGES, registry=registry
            ).labels
        )
        self.completion = cache(
            Histogram(
                "job_completion_seconds", "From runnable to terminal.", ["kind"], buckets=JOB_EDGES, registry=registry
            ).labels
        )
        self.slots = Gauge("job_slots", "Places for running jobs.", ["state"], registry=registry)
        self.leases_expired = Counter("job_leases_expired_total", "Attempts whose worker vanished.", registry=registry)
        self.finishes_fenced = Counter(
            "job_finishes_fenced_total", "Finishes refused: the lease was lost.", registry=registry
        )
        self.commit = Histogram(
            "store_commit_seconds", "Write lock taken to commit durable.", buckets=COMMIT_EDGES, registry=registry
        )
        self.commit_batch = Histogram(
            "store_commit_batch_size", "Operations in a commit.", buckets=BATCH_EDGES, registry=registry
        )
        self.store_busy = Counter(
            "store_busy_total", "Times another process held the database although the lock was ours.", registry=registry
        )
        self.spans_lost = Counter("trace_spans_lost_total", "Spans that no collector took.", registry=registry)
        self.loop_lag = Gauge(
            "event_loop_lag_seconds", "Longest delay of the event loop in the last 15 s.", registry=registry
        )
        build = Gauge("build_info", "What runs; always 1.", ["version", "python", "sqlite"], registry=registry)
        build.labels(version, platform.python_version(), sqlite_version).set(1)
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)
        self._kinds = frozenset(kinds)
        self._make_children(routes)

    def kind(self, kind: str) -> str:
        """The label for a kind: a job of a kind that is no longer served must not add a series."""
        return kind if kind in self._kinds else UNKNOWN_KIND

    def _make_children(self, routes: Sequence[tuple[str, str]]) -> None:
        for method, route in (*routes, *_OPERATION):
            for status in _EXPECTED.get(method, (200, 500)):
                self.requests(method, route, status)
            self.request_duration(method, route, _EXPECTED.get(method, (200,))[0])
        self.requests("GET", UNMATCHED, 404)
        for outcome in ("accepted", "replayed", "rejected", "failed"):
            self.submit(outcome)
        for reason in ("queue_full", "idempotency_conflict", "storage_unavailable"):
            self.rejected(reason)
        for state in ("busy", "free"):
            self.slots.labels(state)
        for kind in self._kinds:
            self.submitted(kind)
            self.wait(kind)
            self.completion(kind)
            for ended in (*Outcome, FENCED):
                self.attempts(kind, ended)
            for ended in (Outcome.SUCCEEDED, Outcome.FAILED):
                self.run(kind, ended)
