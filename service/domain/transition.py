"""What each step makes of a job: pure functions, shared by all stores, so that they cannot disagree."""

from dataclasses import replace
from typing import Any

from service.domain.job import NEXT_STATE, TRANSITIONS, Attempt, Job, NotFailed, Outcome, Settlement, State

LEASE_EXPIRED = "the worker's lease expired"


def started(job: Job, now: float) -> Job:
    """`now` may be older than the job's last step: the worker looked at its clock, and then waited for its turn."""
    return _moved(job, State.RUNNING, attempt=job.attempt + 1, started_at=max(now, job.run_at))


def settled(job: Job, settlement: Settlement) -> tuple[Job, Attempt]:
    """The job after its attempt ended as reported, and that attempt. A requested cancel keeps it out of the queue."""
    outcome, now = settlement.outcome, _not_before_start(job, settlement.finished_at)
    if job.cancel_requested and NEXT_STATE[outcome] is State.QUEUED:
        outcome = Outcome.CANCELLED
    state = NEXT_STATE[outcome]
    changes: dict[str, Any] = {"lease_expired": False, "error": settlement.error or job.error}
    if state.terminal:
        changes["finished_at"] = now
    if outcome is Outcome.SUCCEEDED:
        changes |= {"result": settlement.result, "error": None}
    elif outcome is Outcome.RETRIED:
        changes["run_at"] = settlement.finished_at if settlement.retry_at is None else settlement.retry_at
    elif outcome is Outcome.RELEASED:
        changes["attempt"] = job.attempt - 1
    ended = _ended(job, now, outcome, settlement.error, settlement.trace_id)
    return _moved(job, state, **changes), ended


def expired(job: Job, now: float) -> tuple[Job, Attempt]:
    """The job after its worker vanished, and the attempt that this cost."""
    now = _not_before_start(job, now)
    ended = _ended(job, now, Outcome.LEASE_EXPIRED, LEASE_EXPIRED, job.run_trace_id)
    changes: dict[str, Any] = {"error": LEASE_EXPIRED, "lease_expired": True}  # failed too: it may be redriven
    if job.cancel_requested:
        return _moved(job, State.CANCELLED, finished_at=now, **changes), ended
    if job.attempt >= job.max_attempts:
        return _moved(job, State.FAILED, finished_at=now, **changes), ended
    return _moved(job, State.QUEUED, run_at=now, **changes), ended


def cancelled(job: Job, now: float) -> Job:
    """The job after a client asked to cancel it: the same object if that changes nothing."""
    if job.state is State.QUEUED:
        return _moved(job, State.CANCELLED, finished_at=now)
    if job.state is State.RUNNING and not job.cancel_requested:
        return replace(job, cancel_requested=True, version=job.version + 1)
    return job


def redriven(job: Job, now: float) -> Job:
    """A failed job, queued again with fresh attempts; its history stays. Raises `NotFailed`."""
    if job.state is not State.FAILED:
        raise NotFailed(f"the job is {job.state}")
    return _moved(
        job,
        State.QUEUED,
        attempt=0,
        run_at=now,
        runnable_at=now,
        started_at=None,
        finished_at=None,
        cancel_requested=False,
    )


def with_running_attempt(job: Job) -> Job:
    """The job, which has its ended attempts, with the attempt that runs, if one runs."""
    if job.state is not State.RUNNING or job.started_at is None:
        return job
    running = Attempt(number=job.attempt, started_at=job.started_at, trace_id=job.run_trace_id)
    return replace(job, attempts=(*job.attempts, running))


def _moved(job: Job, state: State, **changes: Any) -> Job:
    assert state in TRANSITIONS[job.state], f"{job.state} -> {state}"  # noqa: S101
    return replace(job, state=state, version=job.version + 1, **changes)


def _not_before_start(job: Job, now: float) -> float:
    """The wall clock may have stepped back meanwhile."""
    return now if job.started_at is None else max(now, job.started_at)


def _ended(job: Job, now: float, outcome: Outcome, error: str | None, trace_id: str | None) -> Attempt:
    started_at = now if job.started_at is None else job.started_at
    return Attempt(
        number=job.attempt, started_at=started_at, finished_at=now, outcome=outcome, error=error, trace_id=trace_id
    )
