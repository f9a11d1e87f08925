"""The worker over the memory store: what a handler may do to it, and how it stops."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from service.domain.job import Job, NonRetryable, Outcome, Settlement, StorageUnavailable
from service.domain.ports import Claimed, Context, Handler, Kind, WorkerLimits
from service.domain.queue import JobQueue, Submission
from service.domain.worker import Worker
from service.store.memory import MemoryJobStore
from tests.observing import RecordingObserver
from tests.waiting import wait_until_async


class Bench:
    """A store, a queue and a worker that runs `handler` for the one kind `work`."""

    def __init__(self, handler: Handler, store: MemoryJobStore | None = None, **limits: Any) -> None:
        self.store = store or MemoryJobStore()
        self.observer = RecordingObserver()
        self.queue = JobQueue(self.store, self.observer)
        settings = {"concurrency": 4, "poll_seconds": 0.02, "drain_seconds": 0.05, "cancel_grace_seconds": 0.1} | limits
        kinds = {"work": Kind(name="work", payload=dict, handler=handler)}
        self.worker = Worker(self.store, self.observer, kinds, WorkerLimits(**settings), chance=lambda: 0.0)

    async def submit(self, **fields: Any) -> Job:
        return await self.queue.submit(Submission(**({"kind": "work", "payload": {}, "user_id": "u"} | fields)))

    async def ended(self, job: Job) -> Job:
        async def terminal() -> Job | None:
            found = await self.queue.get(job.id, "u")
            return found if found.state.terminal else None

        ended = await wait_until_async(terminal, "the job ended")
        assert ended is not None
        return ended

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        running = asyncio.create_task(self.worker.run())
        yield
        self.worker.stop()
        async with asyncio.timeout(10):
            await running


async def succeed(payload: Mapping[str, Any], context: Context) -> Any:
    return {"attempt": context.attempt}


async def hang(payload: Mapping[str, Any], context: Context) -> Any:
    await asyncio.Event().wait()


def swallowing(release: asyncio.Event) -> Handler:
    async def handler(payload: Mapping[str, Any], context: Context) -> Any:
        while not release.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.01)

    return handler


def raising(error: BaseException) -> Handler:
    async def handler(payload: Mapping[str, Any], context: Context) -> Any:
        raise error

    return handler


def returning(value: object) -> Handler:
    async def handler(payload: Mapping[str, Any], context: Context) -> Any:
        return value

    return handler


async def exit_process(payload: Mapping[str, Any], context: Context) -> Any:
    sys.exit(3)


async def test_a_job_runs_and_keeps_its_result() -> None:
    bench = Bench(succeed)
    async with bench.working():
        job = await bench.ended(await bench.submit())
    assert (job.state, job.attempt, job.result, job.error) == ("succeeded", 1, {"attempt": 1}, None)
    assert [attempt.outcome for attempt in job.attempts] == [Outcome.SUCCEEDED]


@pytest.mark.parametrize(
    ("handler", "error"),
    [
        (raising(ValueError("no")), "ValueError: no"),
        (raising(KeyboardInterrupt()), "KeyboardInterrupt"),
        (raising(asyncio.CancelledError()), "cancelled itself"),
        (raising(ValueError("\ud800")), "ud800"),
        (exit_process, "SystemExit(3)"),
        (hang, "timed out after 0.05 s"),
        (returning(object()), "not JSON"),
        (returning(float("nan")), "not JSON"),
        (returning("x" * 300_000), "300002 bytes"),
    ],
)
async def test_a_handler_that_ends_badly_fails_its_own_job_and_no_sibling(handler: Handler, error: str) -> None:
    async def either(payload: Mapping[str, Any], context: Context) -> Any:
        return await (succeed if payload else handler)(payload, context)

    bench = Bench(either)
    async with bench.working():
        bad = await bench.submit(max_attempts=1, timeout_seconds=0.05)
        good = [await bench.submit(payload={"good": True}) for _ in range(8)]
        failed = await bench.ended(bad)
        assert [(await bench.ended(job)).state for job in good] == ["succeeded"] * 8
    assert failed.state == "failed"
    assert error in (failed.error or "")


async def test_a_failed_attempt_is_retried_until_none_is_left() -> None:
    bench = Bench(raising(ValueError("no")))
    async with bench.working():
        job = await bench.ended(await bench.submit(max_attempts=3))
    assert (job.state, job.attempt) == ("failed", 3)
    assert [attempt.outcome for attempt in job.attempts] == ["retried", "retried", "failed"]


async def test_a_non_retryable_error_fails_at_once() -> None:
    bench = Bench(raising(NonRetryable("never")))
    async with bench.working():
        job = await bench.ended(await bench.submit(max_attempts=5))
    assert (job.state, job.attempt) == ("failed", 1)


async def test_a_running_job_is_cancelled() -> None:
    bench = Bench(hang)
    async with bench.working():
        job = await bench.submit()
        await wait_until_async(lambda: running(bench, job), "it runs")
        await bench.queue.cancel(job.id, "u")
        ended = await bench.ended(job)
    assert (ended.state, ended.cancel_requested) == ("cancelled", True)


async def test_no_more_jobs_run_at_a_time_than_there_are_slots() -> None:
    release = asyncio.Event()

    async def hold(payload: Mapping[str, Any], context: Context) -> Any:
        await release.wait()

    bench = Bench(hold, concurrency=3)
    async with bench.working():
        jobs = [await bench.submit() for _ in range(10)]
        await wait_until_async(lambda: busy(bench, 3), "all slots are busy")
        release.set()
        for job in jobs:
            await bench.ended(job)
    assert bench.observer.most_busy_slots == 3


async def test_stopping_releases_what_outlasts_the_drain_without_costing_an_attempt() -> None:
    bench = Bench(hang)
    async with bench.working():
        job = await bench.submit()
        await wait_until_async(lambda: running(bench, job), "it runs")
    released = await bench.queue.get(job.id, "u")
    assert (released.state, released.attempt) == ("queued", 0)


async def test_stopping_lets_a_job_end_within_the_drain_time() -> None:
    bench = Bench(succeed_after(0.05), drain_seconds=5)
    async with bench.working():
        job = await bench.submit()
        await wait_until_async(lambda: running(bench, job), "it runs")
    assert (await bench.queue.get(job.id, "u")).state == "succeeded"


async def test_a_handler_that_swallows_its_cancellation_loses_its_slot_and_is_reported() -> None:
    release = asyncio.Event()
    bench = Bench(swallowing(release), concurrency=1)
    async with bench.working():
        stuck = await bench.ended(await bench.submit(max_attempts=1, timeout_seconds=0.05))
        assert bench.worker.abandoned
        release.set()
        assert (await bench.ended(await bench.submit())).state == "succeeded"
    assert "timed out" in (stuck.error or "")
    assert "handler_ignored_cancellation" in bench.observer.event_names


async def test_a_lost_lease_cancels_the_local_task_and_its_late_finish_is_refused() -> None:
    now = [0.0]
    store = MemoryJobStore(lease_clock=lambda: now[0])
    bench = Bench(hang, store, lease_seconds=0.3)
    async with bench.working():
        job = await bench.submit()
        await wait_until_async(lambda: running(bench, job), "it runs")
        now[0] = 100.0  # as if this process had been stopped for longer than its lease
        claimed = await store.claim("somebody else", 1, 1000, time.time())
        assert [(each.id, each.attempt) for each in claimed.jobs] == [(job.id, 2)]
        await wait_until_async(lambda: settled(bench), "the first worker has ended its attempt")
    assert bench.observer.settled[0][0] is None
    assert (await bench.queue.get(job.id, "u")).attempt == 2


async def test_a_storage_outage_ends_no_worker_and_loses_no_finish() -> None:
    class Flaky(MemoryJobStore):
        broken = False

        async def claim(self, *arguments: Any) -> Claimed:
            if self.broken:
                raise StorageUnavailable("disk full")
            return await super().claim(*arguments)

        async def finish(self, owner: str, settlement: Settlement) -> Outcome | None:
            if self.broken:
                raise StorageUnavailable("disk full")
            return await super().finish(owner, settlement)

    store = Flaky()
    started = asyncio.Event()
    release = asyncio.Event()

    async def hold(payload: Mapping[str, Any], context: Context) -> Any:
        started.set()
        await release.wait()

    bench = Bench(hold, store)
    async with bench.working():
        job = await bench.submit()
        await started.wait()
        store.broken = True
        release.set()
        await wait_until_async(lambda: reported(bench), "the outage is reported")
        store.broken = False
        assert (await bench.ended(job)).state == "succeeded"
    assert bench.observer.event_names.count("worker_storage_failed") == 1


async def test_a_shared_resource_is_made_once_and_closed_with_the_worker() -> None:
    made: list[str] = []

    @asynccontextmanager
    async def resource() -> AsyncIterator[str]:
        made.append("opened")
        yield "it"
        made.append("closed")

    async def use(payload: Mapping[str, Any], context: Context) -> Any:
        return await context.shared(resource)

    bench = Bench(use)
    async with bench.working():
        for job in [await bench.submit() for _ in range(5)]:
            assert (await bench.ended(job)).result == "it"
    assert made == ["opened", "closed"]


async def test_a_job_scheduled_for_later_starts_when_it_is_due() -> None:
    bench = Bench(succeed, poll_seconds=3600.0)
    async with bench.working():
        due = time.time() + 0.2
        job = await bench.ended(await bench.submit(run_at=due))
    assert (job.started_at or 0) >= due


def succeed_after(seconds: float) -> Handler:
    async def handler(payload: Mapping[str, Any], context: Context) -> Any:
        await asyncio.sleep(seconds)

    return handler


async def running(bench: Bench, job: Job) -> bool:
    return (await bench.queue.get(job.id, "u")).state == "running"


async def busy(bench: Bench, slots: int) -> bool:
    return bench.observer.busy_slots == slots


async def settled(bench: Bench) -> bool:
    return bool(bench.observer.settled)


async def reported(bench: Bench) -> bool:
    return "worker_storage_failed" in bench.observer.event_names


async def test_a_worker_that_claims_its_own_expired_job_ends_the_first_run_and_keeps_the_second() -> None:
    now = 0.0
    attempts: list[int] = []

    async def wait(payload: Mapping[str, Any], context: Context) -> None:
        attempts.append(context.attempt)
        await asyncio.Event().wait()

    async def started(*expected: int) -> None:
        async def found() -> bool:
            return attempts == list(expected)

        await wait_until_async(found, f"attempts {expected} have started")

    async def settled() -> bool:
        return bool(bench.observer.settled)

    bench = Bench(wait, MemoryJobStore(lease_clock=lambda: now), lease_seconds=3)
    async with bench.working():
        job = await bench.submit(timeout_seconds=3600)
        await started(1)
        now = 100.0  # as if this worker had been cut off from its storage for longer than a lease
        await started(1, 2)
        await wait_until_async(settled, "the first run has ended")
        assert bench.observer.settled[0][0] is None, "refused"
        await bench.queue.cancel(job.id, "u")
        assert (await bench.ended(job)).state == "cancelled", "the worker still knows of the second run"
