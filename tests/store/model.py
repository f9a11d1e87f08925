"""What users and workers may rely on, without SQL: a `Model` says what a store must answer, and judges what it shows.

A job is judged by what was last seen of it, so every visible change must be shown, in order.
"""

from collections import Counter
from dataclasses import dataclass, field, replace

from service.domain.job import (
    TRANSITIONS,
    DomainError,
    IdempotencyConflict,
    Job,
    JobNotFound,
    Outcome,
    QueueFull,
    State,
)
from service.domain.ports import IdempotencyKey

UNTOLD = (None, Outcome.LEASE_EXPIRED)
"""Of attempts whose trace no worker told, as it runs or vanished."""


@dataclass(frozen=True)
class Run:
    """One claim of one job: what its worker shows to be let in again."""

    job_id: str
    owner: str
    number: int


@dataclass
class Model:
    max_queued: int
    reached: Counter[str]  # what happened: a test that never gets somewhere proves nothing about it
    jobs: dict[str, Job] = field(default_factory=dict)  # as last seen, in the order of submission
    leases: dict[str, tuple[Run, float]] = field(default_factory=dict)  # by job: for which run, and until when
    keys: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)  # user and key: job and fingerprint
    ended: Counter[str] = field(default_factory=Counter)  # attempts, by job
    forgiven: Counter[str] = field(default_factory=Counter)  # those of them before the last redrive

    # What a store must answer

    def add(self, job: Job, key: IdempotencyKey | None) -> Job | type[DomainError] | None:
        if key and (known := self.keys.get((job.user_id, key.value))):
            earlier, same = self.jobs[known[0]], known[1] == key.fingerprint
            if earlier.created_at >= key.since:
                self.reached["key replayed" if same else "key in conflict"] += 1
                return earlier if same else IdempotencyConflict
            self.reached["key forgotten"] += 1
            del self.keys[job.user_id, key.value]
        if len(self.those(State.QUEUED)) >= self.max_queued:
            self.reached["queue full"] += 1
            return QueueFull
        self.jobs[job.id] = job
        if key:
            self.keys[job.user_id, key.value] = (job.id, key.fingerprint)
        return None

    def get(self, job_id: str, user_id: str) -> Job | type[DomainError]:
        job = self.jobs.get(job_id)
        return job if job and job.user_id == user_id else JobNotFound

    def those(self, *states: State) -> list[Job]:
        return [job for job in self.jobs.values() if job.state in states]

    def expire(self, clock: float) -> dict[str, State]:
        """Who loses the lease, and where that leaves the job: it costs an attempt."""
        lost = [self.jobs[job_id] for job_id, (_, until) in self.leases.items() if until < clock]
        for job in lost:
            del self.leases[job.id]
        after = {job.id: State.QUEUED if job.attempt < job.max_attempts else State.FAILED for job in lost}
        return after | {job.id: State.CANCELLED for job in lost if job.cancel_requested}

    def holds(self, run: Run) -> bool:
        held, _ = self.leases.get(run.job_id, (None, 0.0))
        for what in ("owner", "number"):
            self.reached[f"refused for the {what}"] += held is not None and getattr(held, what) != getattr(run, what)
        return held == run

    def prune(self, before: float, limit: int) -> int:
        """What ended first goes first."""
        ended = [job for job in self.jobs.values() if job.finished_at is not None and job.finished_at < before]
        gone = {job.id for job in sorted(ended, key=lambda job: job.finished_at or 0.0)[:limit]}
        self.jobs = {job_id: job for job_id, job in self.jobs.items() if job_id not in gone}
        self.keys = {key: known for key, known in self.keys.items() if known[0] not in gone}
        self.reached["pruned"] += len(gone)
        return len(gone)

    # What a store may show

    def see(self, job: Job, *, whole: bool = True) -> None:
        """`whole`: with its history; without, that is judged when the job is next seen."""
        before = self.jobs[job.id]
        shown = replace(job, attempts=before.attempts)
        if job.version == before.version:
            assert shown == before, "no change without a new version"
        elif job.state is before.state:
            assert (job.state, before.cancel_requested) == (State.RUNNING, False), "what else keeps the state?"
            assert shown == replace(before, version=before.version + 1, cancel_requested=True)
        else:
            assert job.state in TRANSITIONS[before.state]
            assert job.version == before.version + 1, "one change, one version"
            self.reached[f"{before.state} to {job.state}"] += 1
            self.ended[job.id] += before.state is State.RUNNING
            self.forgiven[job.id] = self.ended[job.id] if before.state is State.FAILED else self.forgiven[job.id]
        if whole:
            self._agrees_with_its_history(job, before)
        self.jobs[job.id] = job if whole else shown

    def _agrees_with_its_history(self, job: Job, before: Job) -> None:
        running, ended = job.state is State.RUNNING, job.attempts[: self.ended[job.id]]
        assert running == (job.id in self.leases)
        assert len(job.attempts) == len(ended) + running
        known = tuple(attempt for attempt in before.attempts if attempt.outcome)
        assert ended[: len(known)] == known, "it only grows"
        self.reached.update(f"attempt {attempt.outcome}" for attempt in ended[len(known) :])
        counted = job.attempts[self.forgiven[job.id] :]
        assert job.attempt == sum(attempt.outcome is not Outcome.RELEASED for attempt in counted)
        errors = [attempt.error for attempt in ended if attempt.error]
        assert job.error == (errors[-1] if errors and job.state is not State.SUCCEEDED else None)
        untold = {place: each.trace_id for place, each in enumerate(job.attempts) if each.outcome in UNTOLD}
        assert all((trace_id == job.trace_id) == (place == 0) for place, trace_id in untold.items())
        assert len({*untold.values()}) == len(untold), "each run has its own trace"
        assert all(each.trace_id == untold.get(place, each.trace_id) for place, each in enumerate(before.attempts))
        assert job.state.terminal == (job.finished_at is not None)
        assert job.state.terminal or job.lease_expired == any(a.outcome is Outcome.LEASE_EXPIRED for a in ended[-1:])
        if job.state is State.QUEUED:
            assert not job.cancel_requested
        elif job.state is not State.CANCELLED or job.cancel_requested:  # else it was perhaps cancelled in the queue
            last = job.attempts[-1]
            assert (last.number, last.started_at, last.finished_at) == (job.attempt, job.started_at, job.finished_at)
            assert last.outcome in ([None] if running else [str(job.state), Outcome.LEASE_EXPIRED])
