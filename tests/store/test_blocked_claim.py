"""A claim that is answered while the event loop stands still: what it started is held all the same."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from service.domain.job import Job, State
from service.domain.ports import Context, Kind, WorkerLimits
from service.domain.worker import Worker
from service.store import driver
from service.store.lock import WriteLock
from service.store.sqlite import open_sqlite_store
from tests.observing import RecordingObserver
from tests.store.making import NOW, make_job
from tests.waiting import wait_until, wait_until_async

LEASE_SECONDS = 0.3


async def work(payload: Mapping[str, Any], context: Context) -> Any:
    return None


async def test_a_job_that_is_claimed_while_the_loop_stands_still_keeps_its_lease(database: Path) -> None:
    now = NOW
    async with open_sqlite_store(database) as store:

        async def claim_waits() -> bool:
            return bool(store._writer._inbox)

        async def ended() -> Job | None:
            found = await store.get(job.id, "dev")
            return found if found.state is State.SUCCEEDED else None

        limits = WorkerLimits(lease_seconds=LEASE_SECONDS, poll_seconds=0.02)
        kinds = {"sleep": Kind(name="sleep", payload=dict, handler=work)}
        worker = Worker(store, RecordingObserver(), kinds, limits, clock=lambda: now)
        job = make_job(run_at=NOW + 1)
        await store.add(job)
        working = asyncio.create_task(worker.run())
        with WriteLock(database) as lock:
            with lock.held():
                now += 2
                await wait_until_async(claim_waits, "the writer has a claim and waits for the lock")
            # From here on the loop stands still.
            wait_until(renewals(database, job, 3), "the lease is renewed", bound_seconds=20)
        found = await wait_until_async(ended, "it ran")
        assert found is not None
        assert [attempt.number for attempt in found.attempts] == [1]
        worker.stop()
        await working


def renewals(database: Path, job: Job, number: int) -> Callable[[], bool]:
    """Whether the lease now ends by so many lease times later than when this was first asked."""
    seen: list[float] = []

    def reached() -> bool:
        connection = driver.connect(database, "ro")
        try:
            (until,) = connection.execute("SELECT lease_until FROM job WHERE id = ?", (job.id,)).fetchone()
        finally:
            connection.close()
        if until is not None:
            seen.append(until)
        return bool(seen) and seen[-1] >= seen[0] + number * LEASE_SECONDS

    return reached
