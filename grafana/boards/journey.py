"""A job's way: it waits, runs, perhaps again, and is over."""

from collections.abc import Sequence

from grafana.boards.latency import latency
from grafana.boards.objectives import share_panel
from grafana.boards.panel import Series
from slo.document import Document

WAIT, RUN, COMPLETION = "job_wait_seconds", "job_run_seconds", "job_completion_seconds"
KIND = ("kind", "sleep")


def waiting(document: Document) -> Sequence[Series]:
    objective = next(o for o in document.objectives if o.threshold and o.threshold.metric == WAIT)
    limit = document.threshold(WAIT)
    return [
        latency(
            "Wait",
            WAIT,
            f"Runnable to started. The line is the objective's {limit:g} s: above it there are too few slots, or the"
            " workers are busy with something else.",
            limit=limit,
        ),
        latency(
            "Wait by kind, p99",
            WAIT,
            "Kinds share the slots, so they wait alike, unless one comes in bursts.",
            by=KIND,
        ),
        share_panel(
            objective,
            "Started in time",
            f"The share that started within the threshold. The line is the promise: {objective.promise}."
            f" {objective.alert} fires when it stays below.",
        ),
    ]


def running() -> Sequence[Series]:
    return [
        latency("Run", RUN, "Length of an attempt, all kinds.", width=6),
        latency(
            "Run by kind, p99",
            RUN,
            "Against the timeout of the kind: what reaches it fails.",
            by=KIND,
            width=6,
        ),
        latency(
            "Completion by kind, p99",
            COMPLETION,
            "First runnable to the end, with retries: what a client waits.",
            by=KIND,
            width=6,
        ),
        latency(
            "Completion", COMPLETION, "The same for all kinds. Far above wait and run together: many retries.", width=6
        ),
    ]
