"""The SQL of every change but the claim. Each function runs many calls inside one open transaction.

It takes the transaction and the calls' arguments, and returns their results in order; a result that is an exception is
raised to its caller alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from service.domain import transition
from service.domain.job import IdempotencyConflict, Job, JobNotFound, NotFailed, Outcome, QueueFull, Settlement, State
from service.domain.ports import IdempotencyKey
from service.store import rows
from service.store.driver import sqlite3
from service.store.lease import LeaseClock
from service.store.rows import ATTEMPT_COLUMNS, JOB_COLUMNS, Row


@dataclass(slots=True)
class Transaction:
    connection: sqlite3.Connection
    runnable: int = 0  # jobs that it made claimable
    more: bool = False  # it filled a worker's slots, and others may find more to claim
    changed: list[str] = field(default_factory=list)  # ids of the jobs that it changed visibly


class Submit(NamedTuple):
    row: Row
    user_id: str
    key: IdempotencyKey | None


class Ask(NamedTuple):
    """A user asks for a step of a job."""

    job_id: str
    user_id: str
    now: float


class Finish(NamedTuple):
    owner: str
    settlement: Settlement


class Heartbeat(NamedTuple):
    owner: str
    held: Mapping[str, int]
    lease_seconds: float
    clock: LeaseClock


class Prune(NamedTuple):
    before: float
    limit: int


Add = Callable[[Transaction, Sequence[Submit]], Sequence["Job | QueueFull | IdempotencyConflict | None"]]
"""`add`, with the limit of the queue filled in."""

SELECT = f"SELECT {', '.join(JOB_COLUMNS)} FROM job"  # noqa: S608  constant names

HISTORY = f"SELECT {', '.join(ATTEMPT_COLUMNS)} FROM attempt WHERE job_seq = ? ORDER BY job_version"  # noqa: S608

# OR FAIL: the default, ABORT, makes SQLite copy every page that a statement with triggers is about to change, which
# doubles its time. It serves to undo one statement; here an error always undoes the whole transaction or savepoint.
INSERT = """INSERT OR FAIL INTO job (id, kind, user_id, created_at, run_at, state, priority, attempt, max_attempts,
    timeout_seconds, request_id, trace_id, traceparent, version, due, payload, runnable_at, idempotency_key,
    idempotency_fingerprint, cancel_requested, lease_expired)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0)"""

UPDATE = """UPDATE OR FAIL job SET state = ?2, run_at = ?3, due = ?4, attempt = ?5, finished_at = ?6,
    cancel_requested = ?7, version = ?8, lease_expired = ?9, error = ?10, result = ?11, started_at = ?12,
    runnable_at = ?13, owner = iif(?2 = 'running', owner, NULL) WHERE seq = ?1"""

EARLIER = f"""SELECT {", ".join(JOB_COLUMNS)}, idempotency_fingerprint
    FROM job INDEXED BY job_idempotent WHERE user_id = ? AND idempotency_key = ?"""  # noqa: S608  constant names

FORGET = "UPDATE job SET idempotency_key = NULL, idempotency_fingerprint = NULL WHERE seq = ?"

# With the columns' names, also where all are given: a newer version may have added one.
RECORD = f"""INSERT OR FAIL INTO attempt (job_seq, job_version, {", ".join(ATTEMPT_COLUMNS)})
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""  # noqa: S608  constant names

HELD = "id = ? AND owner = ? AND version - cancel_requested = ? AND state = 'running'"
"""The fence: who holds the lease of which run (`Job.run`)."""

SELECT_HELD = f"{SELECT} WHERE {HELD}"

RENEW = f"UPDATE OR FAIL job SET lease_until = ?, lease_boot = ? WHERE {HELD}"  # noqa: S608  constant names

PRUNE = """DELETE FROM job WHERE seq IN
    (SELECT seq FROM job INDEXED BY job_ended WHERE finished_at < ? ORDER BY finished_at LIMIT ?)"""


def heartbeat(transaction: Transaction, calls: Sequence[Heartbeat]) -> list[frozenset[str]]:
    def lost(call: Heartbeat) -> frozenset[str]:
        until = (
            call.clock.now() + call.lease_seconds
        )  # read here, not at the call: the wait for the lock costs no lease
        renew = transaction.connection.execute
        return frozenset(
            job_id
            for job_id, run in call.held.items()
            if not renew(RENEW, (until, call.clock.boot, job_id, call.owner, run)).rowcount
        )

    return [lost(call) for call in calls]


def finish(transaction: Transaction, calls: Sequence[Finish]) -> list[Outcome | None]:
    return [_finish(transaction, call.owner, call.settlement) for call in calls]


def _finish(transaction: Transaction, owner: str, settlement: Settlement) -> Outcome | None:
    row = transaction.connection.execute(SELECT_HELD, (settlement.job_id, owner, settlement.run)).fetchone()
    if row is None:
        return None
    job, ended = transition.settled(rows.job_of(row), settlement)
    save(transaction, row[0], job, due=job.run_at <= settlement.finished_at or ended.outcome is Outcome.RELEASED)
    transaction.connection.execute(RECORD, rows.attempt_row(row[0], job.version, ended))
    return ended.outcome


def cancel(transaction: Transaction, calls: Sequence[Ask]) -> list[Job | Exception]:
    return [_step(transaction, call, transition.cancelled) for call in calls]


def redrive(transaction: Transaction, calls: Sequence[Ask]) -> list[Job | Exception]:
    return [_step(transaction, call, transition.redriven) for call in calls]


def _step(transaction: Transaction, call: Ask, step: Callable[[Job, float], Job]) -> Job | Exception:
    row = transaction.connection.execute(
        f"{SELECT} WHERE id = ? AND user_id = ?", (call.job_id, call.user_id)
    ).fetchone()
    if row is None:
        return JobNotFound(call.job_id)
    before = rows.job_of(row)
    try:
        job = step(before, call.now)
    except NotFailed as refusal:
        return refusal
    if job is not before:
        save(transaction, row[0], job, due=job.state is State.QUEUED)
    return _whole(transaction, row[0], job)


def add(
    transaction: Transaction, calls: Sequence[Submit], *, max_queued: int
) -> list[Job | QueueFull | IdempotencyConflict | None]:
    """A repeated submission gives the job that the first one made, also when the queue is full."""
    execute = transaction.connection.execute
    (queued,) = execute("SELECT jobs FROM counter WHERE state = 'queued'").fetchone()
    outcomes: list[Job | QueueFull | IdempotencyConflict | None] = []
    without_key = []
    for call in calls:
        outcome: Job | QueueFull | IdempotencyConflict | None = _earlier(transaction, call) if call.key else None
        if outcome is None and queued >= max_queued:
            outcome = QueueFull(f"{max_queued} jobs are queued")
        elif outcome is None:
            queued += 1
            transaction.runnable += bool(call.row[rows.DUE])
            if call.key:
                execute(INSERT, call.row)  # now: another call of this batch may carry the same key
            else:
                without_key.append(call.row)
        outcomes.append(outcome)
    transaction.connection.executemany(INSERT, without_key)
    return outcomes


def _earlier(transaction: Transaction, call: Submit) -> Job | IdempotencyConflict | None:
    assert call.key is not None  # noqa: S101
    execute = transaction.connection.execute
    row = execute(EARLIER, (call.user_id, call.key.value)).fetchone()
    if row is None:
        return None
    job = rows.job_of(row)
    if job.created_at < call.key.since:
        execute(FORGET, (row[0],))
        return None
    if row[-1] != call.key.fingerprint:
        return IdempotencyConflict("the key belongs to a different submission")
    return _whole(transaction, row[0], job)


def _whole(transaction: Transaction, seq: int, job: Job) -> Job:
    ended = rows.attempts_of(transaction.connection.execute(HISTORY, (seq,)))
    return transition.with_running_attempt(replace(job, attempts=ended))


def prune(transaction: Transaction, calls: Sequence[Prune]) -> list[int]:
    return [transaction.connection.execute(PRUNE, call).rowcount for call in calls]


def save(transaction: Transaction, seq: int, job: Job, due: bool) -> None:
    """Store what a step made of a job. A job that no longer runs has no owner, so its old worker can change nothing."""
    transaction.connection.execute(UPDATE, (seq, *rows.changed_row(job, due)))
    transaction.changed.append(job.id)
    transaction.runnable += due and job.state is State.QUEUED
