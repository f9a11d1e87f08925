"""The dashboard of the queue: do jobs flow, how long do they wait and run, and is any of them stuck or lost?"""

from grafana.boards.board import Board, Row
from grafana.boards.colour import GREY, OUTCOMES, PURPLE, RED
from grafana.boards.custody import lost, states
from grafana.boards.journey import running, waiting
from grafana.boards.page import read_on
from grafana.boards.panel import Query, Series, Stat, Step
from grafana.boards.promql import rate, seen
from slo.document import Document

JOBS = "suffix:jobs/s"


def board(document: Document) -> Board:
    return Board(
        uid="jobs-service-jobs",
        title="Jobs",
        description="The queue: what comes in, how long it waits and runs, how it ends, and what is stuck.",
        rows=[
            Row("Now", [_now()]),
            Row("Flow", [_flow()]),
            Row("Waiting to start", [waiting(document)]),
            Row("Running, and the whole way", [running()]),
            Row("States and slots", [states()]),
            Row("Lost and found", [lost()]),
            read_on(),
        ],
    )


def _now() -> list[Stat]:
    return [
        _stat("Queued", "short", 'max(jobs{state="queued"})', "Jobs that wait. A number that only grows: JobsWaiting."),
        _stat("Running", "short", 'max(jobs{state="running"})', "Jobs that run, in all workers."),
        _stat(
            "Oldest runnable",
            "s",
            "max(jobs_oldest_runnable_age_seconds)",
            "How long the first in the queue has waited. The best single sign of a stuck queue: JobsWaiting.",
        ),
        _stat(
            "Oldest running",
            "s",
            "max(jobs_oldest_running_age_seconds)",
            "How long the longest has run. Above the longest timeout of a kind, something does not end.",
        ),
        _stat(
            "Lease overdue",
            "s",
            "max(jobs_lease_overdue_seconds)",
            "How long a lease has been over without anybody taking its job. Workers look every few seconds: seconds are"
            " a crash that is being healed, more means that nobody claims: LeasesOverdue.",
        ),
        _stat(
            "Failed in an hour",
            "short",
            'round(sum(increase(jobs_attempts_total{outcome="failed"}[1h])))',
            "Jobs whose last attempt failed. The log has `job_failed` for each, with its exception; JobsFail.",
            Step(1, RED),
        ),
    ]


def _stat(title: str, unit: str, expr: str, description: str, *steps: Step) -> Stat:
    return Stat(title=title, unit=unit, description=description, queries=[Query(expr, title)], width=4, steps=steps)


def _flow() -> list[Series]:
    return [
        Series(
            title="Submitted by kind",
            unit=JOBS,
            description="Jobs made durable. More than ends on the right, for long: the queue grows.",
            queries=[Query(seen("jobs_submitted_total", "", "kind", "sleep"), "{{kind}}")],
            width=6,
            stacked=True,
        ),
        Series(
            title="Rejected by reason",
            unit=JOBS,
            description="Refused submissions. queue_full: QueueFull. storage_unavailable: SubmissionsFail.",
            queries=[Query(rate("jobs_rejected_total", by="reason"), "{{reason}}")],
            width=6,
            colours={"queue_full": PURPLE, "idempotency_conflict": GREY, "storage_unavailable": RED},
        ),
        Series(
            title="Attempts by outcome",
            unit="suffix:/s",
            description="Ended attempts. Retried is nothing if the next one succeeds; failed is a job that ended so.",
            queries=[Query(seen("jobs_attempts_total", "", "outcome", "succeeded"), "{{outcome}}")],
            width=6,
            stacked=True,
            colours=OUTCOMES,
        ),
        Series(
            title="Failing attempts by kind",
            unit="percentunit",
            description="The share of each kind's attempts that failed or will be retried. Many of one kind: its"
            " receiver is ill. 0 while nothing happens.",
            queries=[Query(_failing(), "{{kind}}")],
            width=6,
            maximum=1,
        ),
    ]


def _failing() -> str:
    failing = rate("jobs_attempts_total", 'outcome=~"failed|retried"', "kind")
    total = rate("jobs_attempts_total", by="kind")
    return f"{failing} / {total} >= 0 or 0 * ({seen('jobs_attempts_total', '', 'kind', 'sleep')})"
