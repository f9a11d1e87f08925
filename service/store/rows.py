"""Jobs and attempts as rows, and back. JSON is stored as strict text: NaN is a `ValueError` here, not in a reader."""

import json
from collections.abc import Iterable
from typing import Any

from service.domain.job import Attempt, Job, Outcome, State
from service.domain.ports import IdempotencyKey

Row = tuple[Any, ...]

JOB_COLUMNS = (
    "seq", "id", "kind", "user_id", "created_at", "run_at", "state", "priority", "attempt", "max_attempts",
    "timeout_seconds", "started_at", "finished_at", "cancel_requested", "request_id", "trace_id", "traceparent",
    "version", "lease_expired", "error", "payload", "result", "runnable_at",
)  # fmt: skip
"""The order in which every statement names the columns of a job."""

DUE = 14
"""Where `due` stands in the row of a submission."""

ATTEMPT_COLUMNS = ("number", "started_at", "finished_at", "outcome", "error", "trace_id")


to_json = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode  # `dumps` makes one a call


def job_of(row: Row, attempts: tuple[Attempt, ...] = ()) -> Job:
    """`attempts`: those that have ended, where they are wanted."""
    return Job(
        id=row[1],
        kind=row[2],
        user_id=row[3],
        created_at=row[4],
        run_at=row[5],
        state=State(row[6]),
        priority=row[7],
        attempt=row[8],
        max_attempts=row[9],
        timeout_seconds=row[10],
        started_at=row[11],
        finished_at=row[12],
        cancel_requested=bool(row[13]),
        request_id=row[14],
        trace_id=row[15],
        traceparent=row[16],
        version=row[17],
        lease_expired=bool(row[18]),
        error=row[19],
        payload=json.loads(row[20]),
        result=None if row[21] is None else json.loads(row[21]),
        runnable_at=row[22],
        attempts=attempts,
    )


def attempts_of(rows: Iterable[Row]) -> tuple[Attempt, ...]:
    return tuple(
        Attempt(
            number=row[0], started_at=row[1], finished_at=row[2], outcome=Outcome(row[3]), error=row[4], trace_id=row[5]
        )
        for row in rows
    )


def new_row(job: Job, key: IdempotencyKey | None) -> Row:
    """The values of a submission, in the order of `statements.INSERT`."""
    return (
        job.id,
        job.kind,
        job.user_id,
        job.created_at,
        job.run_at,
        job.state.value,
        job.priority,
        job.attempt,
        job.max_attempts,
        job.timeout_seconds,
        job.request_id,
        job.trace_id,
        job.traceparent,
        job.version,
        job.run_at <= job.created_at,
        to_json(job.payload),
        job.runnable_at,
        key and key.value,
        key and key.fingerprint,
    )


def changed_row(job: Job, due: bool) -> Row:
    """The values that a step may change, in the order of `statements.UPDATE`."""
    return (
        job.state.value,
        job.run_at,
        due,
        job.attempt,
        job.finished_at,
        job.cancel_requested,
        job.version,
        job.lease_expired,
        storable(job.error),
        None if job.result is None else to_json(job.result),
        job.started_at,
        job.runnable_at,
    )


def attempt_row(seq: int, job_version: int, attempt: Attempt) -> Row:
    return (
        seq,
        job_version,
        attempt.number,
        attempt.started_at,
        attempt.finished_at,
        attempt.outcome,
        storable(attempt.error),
        attempt.trace_id,
    )


def storable(error: str | None) -> str | None:
    """An exception's text may hold lone surrogates (odd file names): better a mark than an attempt that never ends."""
    return None if error is None else error.encode("utf-8", "replace").decode()
