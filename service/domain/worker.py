"""The worker: claims jobs for its free slots, runs each in a task of one TaskGroup, and settles it under its lease.

Read `run` first. A heartbeat thread keeps the leases; it is a thread so that a handler that blocks the event loop costs
its siblings nothing. Stopping drains: no new claims at once, then `drain_seconds` for what runs, then the rest is
released without costing an attempt.
"""

import asyncio
import logging
import random
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from service.domain.execution import EndedBy, Execution
from service.domain.heartbeat import Heartbeat
from service.domain.job import Job, Outcome, Settlement, StorageUnavailable
from service.domain.ports import Clock, Context, JobObserver, JobStore, Kind, WorkerLimits
from service.domain.resources import SharedResources

SETTLE_WHILE_STOPPING_SECONDS = 3.0


class Worker:
    def __init__(
        self,
        store: JobStore,
        observer: JobObserver,
        kinds: Mapping[str, Kind],
        limits: WorkerLimits,
        *,
        clock: Clock = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.owner = str(uuid.uuid4())  # fresh for each start: a restarted worker can never pass as its predecessor
        self.abandoned: set[asyncio.Task[Any]] = set()  # handlers that ignored their cancellation and still run
        self._store = store
        self._observer = observer
        self._kinds = kinds
        self._limits = limits
        self._clock = clock
        self._chance = chance
        self._running: dict[str, Execution] = {}
        self._resources = SharedResources()
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._hurried = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._storage_failed = False

    def stop(self) -> None:
        """Claim nothing more; `run` returns when the jobs that run have ended or been released."""
        self._stopping.set()
        self._wake.set()

    def hurry(self) -> None:
        """Release what still runs now, without waiting for the drain time to pass."""
        self.stop()
        self._hurried.set()

    async def run(self) -> None:
        """Work until `stop`. Raises only on a defect of the worker itself, never because of a job or the storage."""
        beat = Heartbeat(self._store, self.owner, self._limits.lease_seconds, self._observer)
        async with self._resources, beat, asyncio.TaskGroup() as tasks:
            watchers = [tasks.create_task(self._listen()), tasks.create_task(self._watch_cancellations())]
            tasks.create_task(self._lose(beat))  # ends with the heartbeat
            await self._claim_until_stopping(tasks, beat)
            await self._drain()
            for watcher in watchers:
                watcher.cancel()
            beat.stop()

    @property
    def _free_slots(self) -> int:
        return self._limits.concurrency - len(self._running)

    async def _claim_until_stopping(self, tasks: asyncio.TaskGroup, beat: Heartbeat) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            free = self._free_slots
            claimed = None
            if free > 0:
                with self._storage_may_fail():
                    lease_seconds, now = self._limits.lease_seconds, self._clock()
                    claimed = await self._store.claim(self.owner, free, lease_seconds, now, beat.hold)
            if claimed is None:
                await self._wake.wait()
                continue
            for job in claimed.expired:
                self._observer.lease_expired(job)
            for job in claimed.jobs:
                self._start(job, tasks, beat)
            if len(claimed.jobs) < free:
                await self._wait_for_work(claimed.next_run_at)

    async def _wait_for_work(self, next_run_at: float | None) -> None:
        """Until a wake-up: a submission, a freed slot, a stop, the poll, or the earliest scheduled job coming due."""
        if next_run_at is None:
            await self._wake.wait()
            return
        due = asyncio.get_running_loop().call_later(max(0.0, next_run_at - self._clock()), self._wake.set)
        await self._wake.wait()
        due.cancel()

    def _start(self, job: Job, tasks: asyncio.TaskGroup, beat: Heartbeat) -> None:
        if earlier := self._running.get(job.id):  # its lease expired, and this worker itself claimed the job again
            earlier.end(EndedBy.LEASE_LOST)
        execution = Execution(job, lambda: self._handle(job), grace_seconds=self._limits.cancel_grace_seconds)
        self._running[job.id] = execution
        self._idle.clear()
        self._observer.slots(len(self._running), self._free_slots)
        tasks.create_task(self._attempt(execution, beat))

    async def _attempt(self, execution: Execution, beat: Heartbeat) -> None:
        job = execution.job
        try:
            with self._observer.attempt(job) as observed:
                settlement = await execution.settlement(self._clock, self._chance, observed.trace_id)
                observed.settled(await self._settle(settlement), settlement, execution.error)
        except StorageUnavailable as problem:
            # Stopping, and the storage is gone: the lease will expire, and the job runs again.
            self._observer.event("job_finish_not_stored", logging.ERROR, job_id=job.id, error=problem)
        finally:
            if self._running.get(job.id) is execution:  # not a later run, which would lose its heartbeats
                del self._running[job.id]
                beat.drop(job.id)
            if not self._running:
                self._idle.set()
            self._observer.slots(len(self._running), self._free_slots)
            self._wake.set()
        if (abandoned := execution.abandoned) is not None:
            self.abandoned.add(abandoned)
            abandoned.add_done_callback(self.abandoned.discard)
            self._observer.event("handler_ignored_cancellation", logging.ERROR, job_id=job.id, kind=job.kind)

    async def _handle(self, job: Job) -> Any:
        context = Context(
            job_id=job.id,
            attempt=job.attempt,
            max_attempts=job.max_attempts,
            timeout_seconds=job.timeout_seconds,
            shared=self._resources,
            options=self._limits.options,
        )
        if job.kind not in self._kinds:  # stored by a newer release: the attempts left may meet one that knows it
            raise LookupError(f"this worker knows no kind {job.kind!r}")
        return await self._kinds[job.kind].handler(job.payload, context)

    async def _settle(self, settlement: Settlement) -> Outcome | None:
        """Store the end of an attempt, for as long as it takes: the work is done, only its record is missing."""
        give_up_at: float | None = None
        while True:
            try:
                outcome = await self._store.finish(self.owner, settlement)
                self._storage_failed = False
                return outcome
            except StorageUnavailable as problem:
                self._storage_problem(problem)
                if self._stopping.is_set():
                    give_up_at = give_up_at or time.monotonic() + SETTLE_WHILE_STOPPING_SECONDS
                    if time.monotonic() > give_up_at:
                        raise
                await asyncio.sleep(self._limits.poll_seconds / 4)

    async def _drain(self) -> None:
        waits = [asyncio.create_task(self._idle.wait()), asyncio.create_task(self._hurried.wait())]
        await asyncio.wait(waits, timeout=self._limits.drain_seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        for execution in list(self._running.values()):
            execution.end(EndedBy.STOP)
        await self._idle.wait()

    # What goes on beside the claiming.

    async def _listen(self) -> None:
        while not (self._stopping.is_set() and self._idle.is_set()):
            await self._store.wait(self._limits.poll_seconds)
            self._wake.set()

    async def _lose(self, beat: Heartbeat) -> None:
        async for job_id, run in beat.lost():
            if (execution := self._running.get(job_id)) and execution.job.run == run:
                execution.end(EndedBy.LEASE_LOST)

    async def _watch_cancellations(self) -> None:
        while True:
            await asyncio.sleep(self._limits.poll_seconds)
            if self._running:
                with self._storage_may_fail():
                    for job_id in await self._store.cancellations(self.owner):
                        if execution := self._running.get(job_id):
                            execution.end(EndedBy.CANCEL)

    # The storage may be away for a while. That is logged once, not at every try, and never ends the worker.

    @contextmanager
    def _storage_may_fail(self) -> Iterator[None]:
        try:
            yield
        except StorageUnavailable as problem:
            self._storage_problem(problem)
        else:
            self._storage_failed = False

    def _storage_problem(self, problem: StorageUnavailable) -> None:
        if not self._storage_failed:
            self._observer.event("worker_storage_failed", logging.ERROR, error=problem)
        self._storage_failed = True
