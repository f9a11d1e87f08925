"""A job and its life: the states, the legal steps between them, the backoff, and the errors of the domain.

    submit ──▶ queued ──claim──▶ running ──▶ succeeded | failed | cancelled

    back to queued: from running by a retry, a release or an expired lease; from failed by a redrive
    to cancelled: from queued at once, from running as soon as its handler has ended

A submission is stored as `queued`. From `run_at` on a worker may claim it: that starts an attempt, under a lease that
the worker must renew. The attempt ends with an outcome: the handler's success; a failure, retried after a delay until
no attempt is left; a cancel that a client asked for; a release by a worker that stops; or its lease expires, as the
worker is gone. Only who holds the lease can end the attempt. What has ended stays in the history.

Wall times are float seconds since the Unix epoch; durations are seconds.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class State(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        return self in TERMINAL


TERMINAL = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})

TRANSITIONS: Mapping[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.RUNNING, State.CANCELLED}),
    State.RUNNING: TERMINAL | {State.QUEUED},
    State.SUCCEEDED: frozenset(),
    State.FAILED: frozenset({State.QUEUED}),
    State.CANCELLED: frozenset(),
}


class Outcome(StrEnum):
    """How one attempt ended."""

    SUCCEEDED = "succeeded"
    RETRIED = "retried"  # failed, and another attempt is due
    FAILED = "failed"  # failed for good
    CANCELLED = "cancelled"
    RELEASED = "released"  # given back by a stopping worker; costs no attempt
    LEASE_EXPIRED = "lease_expired"  # its worker vanished; costs an attempt


NEXT_STATE: Mapping[Outcome, State] = {
    Outcome.SUCCEEDED: State.SUCCEEDED,
    Outcome.RETRIED: State.QUEUED,
    Outcome.FAILED: State.FAILED,
    Outcome.CANCELLED: State.CANCELLED,
    Outcome.RELEASED: State.QUEUED,
}
"""Where a settled attempt leaves its job. An expired lease is not settled by its worker, so it is not listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One run of a job. A job released or redriven may have two attempts of the same number."""

    number: int
    started_at: float
    finished_at: float | None = None
    outcome: Outcome | None = None  # None while it runs
    error: str | None = None
    trace_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as it stands. `version` grows by one with each change a client can see."""

    id: str  # UUIDv7
    kind: str
    payload: Mapping[str, Any]
    user_id: str
    created_at: float
    run_at: float  # not before this time; moved by retries
    runnable_at: float  # when it first could run; retries do not move it
    state: State = State.QUEUED
    priority: int = 0  # higher runs first
    attempt: int = 0  # 0 until the first start; a release gives it back
    max_attempts: int = 5
    timeout_seconds: float = 60.0
    started_at: float | None = None  # of the latest attempt
    finished_at: float | None = None  # of the job, once terminal
    result: Any = None  # JSON
    error: str | None = None  # of the latest attempt that failed or lost its worker; None after a success
    cancel_requested: bool = False
    request_id: str | None = None  # of the submission
    trace_id: str | None = None  # of the submission
    traceparent: str | None = None  # W3C; makes the first attempt a child of the submission
    version: int = 1
    lease_expired: bool = False  # the attempt before this one lost its worker
    attempts: tuple[Attempt, ...] = ()  # the history, oldest first; with the running attempt, if one runs

    @property
    def run(self) -> int:
        """Of a running job: which of its runs this is, by the version with which it started. `attempt` cannot tell: a
        release or a redrive gives it back. `version` only grows, and while a job runs by nothing but a cancel."""
        return self.version - self.cancel_requested

    @property
    def ran_before(self) -> bool:
        """Whether a run came before the present or next one: the insert is version 1, the first start 2."""
        return self.run > 2

    @property
    def run_trace_id(self) -> str | None:
        """The trace of the present run, 32 hexadecimal digits: the submission's for the first run; for a later one it
        follows from the job and the version, so that it is known also if the run's worker dies with it."""
        if self.trace_id is None or not self.ran_before:
            return self.trace_id
        return hashlib.sha256(f"{self.id} {self.run}".encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """The end of one attempt, as its worker reports it. Stored only if that worker still holds that run's lease."""

    job_id: str
    run: int
    outcome: Outcome
    finished_at: float
    result: Any = None
    error: str | None = None
    retry_at: float | None = None  # with RETRIED: when the next attempt is due
    trace_id: str | None = None


def retry_delay_seconds(attempt: int, chance: float, *, base_seconds: float = 1.0, cap_seconds: float = 300.0) -> float:
    """The wait before the attempt that follows failed attempt number `attempt` (from 1).

    Capped exponential backoff with full jitter: `chance` in [0, 1) spreads retries over the whole interval, so that
    jobs that failed together do not come back together. Source: Brooker, "Exponential Backoff And Jitter", AWS, 2015.
    """
    ceiling: float = min(cap_seconds, base_seconds * 2.0 ** min(attempt - 1, 32))
    return chance * ceiling


class DomainError(Exception):
    """Something the domain refuses, or cannot do now."""


class JobNotFound(DomainError):
    """No such job, or it belongs to another user: a caller cannot tell which."""


class QueueFull(DomainError):
    """As many jobs are queued as may be."""


class IdempotencyConflict(DomainError):
    """The idempotency key belongs to a different submission of this user."""


class NotFailed(DomainError):
    """Only a failed job can be redriven."""


class StorageUnavailable(DomainError):
    """The store cannot read or write now. Nothing was acknowledged; trying again later is right."""


class NonRetryable(Exception):
    """Raised by a handler: another attempt would fail the same way, so the job fails now."""
