"""`JobStore` in the memory of one process: for tests and for reading, as it is the shortest statement of the port."""

import asyncio
import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace

from service.domain import transition
from service.domain.job import (
    Attempt,
    IdempotencyConflict,
    Job,
    JobNotFound,
    Outcome,
    QueueFull,
    Settlement,
    State,
)
from service.domain.ports import Claimed, Hold, IdempotencyKey, Page, Query, Receipt, Stats
from service.store import cursor, rows
from service.store.watch import Watch


class MemoryJobStore:
    def __init__(self, *, max_queued: int = 100_000, lease_clock: Callable[[], float] = time.monotonic) -> None:
        self._max_queued = max_queued
        self._lease_clock = lease_clock
        self._lock = threading.Lock()  # heartbeats come from a thread
        self._seqs: dict[str, int] = {}  # job id -> its place in the order of submission
        self._jobs: dict[int, Job] = {}
        self._due: set[int] = set()  # queued, and their time has come; a wall clock set back does not undo that
        self._history: dict[int, tuple[Attempt, ...]] = {}
        self._leases: dict[int, tuple[str, float]] = {}  # owner, and until when
        self._keys: dict[tuple[str, str], tuple[int, str]] = {}  # user and key -> the job's place, and its fingerprint
        self._next_seq = 1
        self._changed = asyncio.Event()
        self._watch = Watch(None)

    async def add(self, job: Job, key: IdempotencyKey | None = None) -> Receipt:
        rows.to_json(job.payload)  # refuses what cannot be stored elsewhere
        with self._lock:
            if key and (earlier := self._earlier(job.user_id, key)):
                return Receipt(batch_size=1, waited_seconds=0.0, earlier=earlier)
            if sum(other.state is State.QUEUED for other in self._jobs.values()) >= self._max_queued:
                raise QueueFull(f"{self._max_queued} jobs are queued")
            self._seqs[job.id] = seq = self._next_seq
            self._next_seq += 1
            self._put(seq, job, due=job.run_at <= job.created_at)
            self._history[seq] = ()
            if key:
                self._keys[job.user_id, key.value] = (seq, key.fingerprint)
        self._changed.set()
        return Receipt(batch_size=1, waited_seconds=0.0)

    async def get(self, job_id: str, user_id: str) -> Job:
        with self._lock:
            return self._whole(self._find(job_id, user_id))

    async def list(self, query: Query) -> Page:
        before = cursor.decode(query.cursor)
        with self._lock:
            found = [seq for seq, job in self._jobs.items() if seq < before and _matches(job, query)]
        found.sort(reverse=True)
        shown = found[: query.limit]
        return Page(
            items=[self._whole(seq) for seq in shown],
            next=cursor.encode(shown[-1]) if len(found) > query.limit else None,
        )

    async def cancel(self, job_id: str, user_id: str, now: float) -> Job:
        with self._lock:
            seq = self._find(job_id, user_id)
            self._put(seq, transition.cancelled(self._jobs[seq], now))
            return self._whole(seq)

    async def redrive(self, job_id: str, user_id: str, now: float) -> Job:
        with self._lock:
            seq = self._find(job_id, user_id)
            self._put(seq, transition.redriven(self._jobs[seq], now), due=True)
            job = self._whole(seq)
        self._changed.set()
        return job

    def watch(self, job_id: str, changed: Callable[[], None]) -> AbstractContextManager[None]:
        return self._watch.watching(job_id, changed)

    async def claim(
        self, owner: str, limit: int, lease_seconds: float, now: float, hold: Hold | None = None
    ) -> Claimed:
        with self._lock:
            expired = [seq for seq, (_, until) in self._leases.items() if until < self._lease_clock()]
            for seq in expired:
                self._end(seq, *transition.expired(self._jobs[seq], now), due=True)
            ended = [self._jobs[seq] for seq in expired]
            queued = [seq for seq, job in self._jobs.items() if job.state is State.QUEUED]
            self._due.update(seq for seq in queued if self._jobs[seq].run_at <= now)
            due = sorted(self._due, key=lambda seq: (-self._jobs[seq].priority, self._jobs[seq].run_at, seq))
            later = [self._jobs[seq].run_at for seq in queued if seq not in self._due]
            for seq in due[:limit]:
                self._put(seq, transition.started(self._jobs[seq], now))
                self._leases[seq] = (owner, self._lease_clock() + lease_seconds)
                if hold is not None:
                    hold(self._jobs[seq].id, self._jobs[seq].run)
            return Claimed(
                jobs=[self._jobs[seq] for seq in due[:limit]], expired=ended, next_run_at=min(later, default=None)
            )

    async def finish(self, owner: str, settlement: Settlement) -> Outcome | None:
        rows.to_json(settlement.result)
        with self._lock:
            seq = self._held(owner, settlement.job_id, settlement.run)
            if seq is None:
                return None
            job, ended = transition.settled(self._jobs[seq], settlement)
            self._end(seq, job, ended, due=job.run_at <= settlement.finished_at or ended.outcome is Outcome.RELEASED)
        self._changed.set()
        return ended.outcome

    def heartbeat(self, owner: str, held: Mapping[str, int], lease_seconds: float) -> frozenset[str]:
        lost = set()
        with self._lock:
            for job_id, run in held.items():
                seq = self._held(owner, job_id, run)
                if seq is None:
                    lost.add(job_id)
                else:
                    self._leases[seq] = (owner, self._lease_clock() + lease_seconds)
        return frozenset(lost)

    async def cancellations(self, owner: str) -> frozenset[str]:
        with self._lock:
            held = [self._jobs[seq] for seq, lease in self._leases.items() if lease[0] == owner]
        return frozenset(job.id for job in held if job.cancel_requested)

    async def wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), seconds)
        self._changed.clear()

    async def prune(self, before: float, limit: int) -> int:
        with self._lock:
            times = [(job.finished_at, seq) for seq, job in self._jobs.items() if job.finished_at is not None]
            oldest = sorted(ended for ended in times if ended[0] < before)[:limit]
            for _, seq in oldest:
                del self._seqs[self._jobs.pop(seq).id], self._history[seq]
            self._keys = {key: known for key, known in self._keys.items() if known[0] in self._jobs}
        return len(oldest)

    async def stats(self, now: float) -> Stats:
        with self._lock:
            jobs = list(self._jobs.values())
            leases = [until for _, until in self._leases.values()]
        lease_now = self._lease_clock()
        counts = Counter(job.state for job in jobs)
        runnable = [job.run_at for job in jobs if job.state is State.QUEUED]
        running = [job.started_at for job in jobs if job.state is State.RUNNING and job.started_at is not None]
        return Stats(
            jobs={state: counts[state] for state in State},
            oldest_runnable_age_seconds=max(0.0, now - min(runnable, default=now)),
            oldest_running_age_seconds=max(0.0, now - min(running, default=now)),
            lease_overdue_seconds=max(0.0, lease_now - min(leases, default=lease_now)),
        )

    async def check(self) -> None:
        """Memory is always there."""

    def _find(self, job_id: str, user_id: str) -> int:
        seq = self._seqs.get(job_id)
        if seq is None or self._jobs[seq].user_id != user_id:
            raise JobNotFound(job_id)
        return seq

    def _earlier(self, user_id: str, key: IdempotencyKey) -> Job | None:
        seq, fingerprint = self._keys.get((user_id, key.value), (None, ""))
        if seq is None:
            return None
        if self._jobs[seq].created_at < key.since:
            del self._keys[user_id, key.value]  # for good, although the queue may be full
            return None
        if fingerprint != key.fingerprint:
            raise IdempotencyConflict("the key belongs to a different submission")
        return self._whole(seq)

    def _held(self, owner: str, job_id: str, run: int) -> int | None:
        """Fencing: the job's place if `owner` holds the lease of that run."""
        seq = self._seqs.get(job_id)
        if seq is None or seq not in self._leases:
            return None
        return seq if self._leases[seq][0] == owner and self._jobs[seq].run == run else None

    def _end(self, seq: int, job: Job, attempt: Attempt, *, due: bool) -> None:
        del self._leases[seq]
        self._put(seq, job, due=due)
        self._history[seq] += (attempt,)

    def _put(self, seq: int, job: Job, *, due: bool = False) -> None:
        self._jobs[seq] = job
        (self._due.add if due and job.state is State.QUEUED else self._due.discard)(seq)
        self._watch.tell([job.id])

    def _whole(self, seq: int) -> Job:
        return transition.with_running_attempt(replace(self._jobs[seq], attempts=self._history[seq]))


def _matches(job: Job, query: Query) -> bool:
    return job.user_id == query.user_id and query.state in (None, job.state) and query.kind in (None, job.kind)
