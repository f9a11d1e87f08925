"""The home dashboard: are the promises kept, what do clients get, and what runs out first."""

from grafana.boards.board import Board, Row
from grafana.boards.colour import BLUE, OUTCOMES, STATUSES
from grafana.boards.latency import latency
from grafana.boards.objectives import budgets, burn_rates, numbers, share_panel
from grafana.boards.page import read_on
from grafana.boards.panel import Query, Series
from grafana.boards.promql import quantile, seen
from grafana.boards.saturation import queue, storage
from grafana.boards.workers import processes
from slo.document import Document

# Without Caddy's health checks and Prometheus' scrapes.
CLIENTS = 'route!~"/readyz|/healthz|/metrics"'
SUBMIT = "job_submit_seconds"


def board(document: Document) -> Board:
    return Board(
        uid="jobs-service",
        title="Service",
        description="The objectives and their error budgets, the requests, and what saturates.",
        rows=[
            Row("Objectives and their error budgets", [numbers(document), burn_rates(document), budgets(document)]),
            Row("Requests: rate, errors, duration", [_rates(), _durations(document), _submissions(document)]),
            Row("Saturation: the workers", [processes()]),
            Row("Saturation: queue and storage", [queue(), storage()]),
            read_on(),
        ],
    )


def _rates() -> list[Series]:
    errors = f'{CLIENTS}, status=~"[45].."'
    return [
        Series(
            title="Requests by route",
            unit="reqps",
            description="Clients' requests, without health checks and scrapes. A sudden 0 is worse than a peak.",
            queries=[Query(seen("http_requests_total", CLIENTS, "route", "/jobs"), "{{route}}")],
            stacked=True,
        ),
        Series(
            title="Requests by status",
            unit="reqps",
            description="All answers. 202 is a job taken; anything that starts with 5 uses up the availability budget.",
            queries=[Query(seen("http_requests_total", CLIENTS, "status", "202"), "{{status}}")],
            stacked=True,
            colours=STATUSES,
        ),
        Series(
            title="Errors by status",
            unit="reqps",
            description="4xx is the client's mistake (429: the queue is full, by intent), 5xx is ours:"
            " SubmissionsFail fires when all submissions end so.",
            queries=[Query(seen("http_requests_total", errors, "status", "500"), "{{status}}")],
            colours=STATUSES,
        ),
    ]


def _durations(document: Document) -> list[Series]:
    duration, limit = "http_request_duration_seconds", document.threshold(SUBMIT)
    return [
        latency(
            "Request duration",
            duration,
            "Arrival to last byte, all routes, without event streams and `Prefer: wait`. Worry when p99 leaves p50.",
            where=CLIENTS,
        ),
        latency(
            "Request duration by route, p99",
            duration,
            "Which route is slow. If all are, look at the event loop and the commits below.",
            where=CLIENTS,
            by=("route", "/jobs"),
        ),
        latency(
            "Submission latency",
            SUBMIT,
            f"From the request's arrival to the job on disk, as the objective counts it. The line is its {limit:g} s:"
            " p99 above it uses up the budget faster than it comes back.",
            where='outcome!="rejected"',
            limit=limit,
        ),
    ]


def _submissions(document: Document) -> list[Series]:
    objective = next(o for o in document.objectives if o.threshold and o.threshold.metric == SUBMIT)
    return [
        share_panel(
            objective,
            "Submissions in time",
            f"The share that was durable within the threshold. The line is the promise: {objective.promise}."
            f" {objective.alert} fires when it stays below.",
        ),
        Series(
            title="Submissions by outcome",
            unit="reqps",
            description="Accepted: a job is on disk. Replayed: its `Idempotency-Key` had made one before. Rejected:"
            " by intent. Failed: a 5xx.",
            queries=[Query(seen(f"{SUBMIT}_count", "", "outcome", "accepted"), "{{outcome}}")],
            stacked=True,
            colours=OUTCOMES,
        ),
        Series(
            title="Response size, p99",
            unit="bytes",
            description="Bodies sent to clients. A jump after a release is a mistake in it.",
            queries=[Query(quantile(0.99, "http_response_size_bytes"), "p99")],
            colours={"p99": BLUE},
        ),
    ]
