"""Old jobs are deleted in small batches, between which submissions go on."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable

import pytest

from service.domain import retention
from service.domain.job import Job, State, StorageUnavailable
from service.domain.retention import prune_for_ever
from service.store.sqlite import SqliteJobStore
from tests.observing import RecordingObserver
from tests.store.making import NOW, end, make_job
from tests.waiting import wait_until_async

OpenStore = Callable[..., Awaitable[SqliteJobStore]]
ENDED = 450


class Pruned:
    """A store as retention sees it; each batch is followed by a submission before anything else happens."""

    def __init__(self, store: SqliteJobStore) -> None:
        self.store = store
        self.limits: list[int] = []
        self.batches: list[int] = []
        self.submitted: list[Job] = []
        self.fails = False

    async def prune(self, before: float, limit: int) -> int:
        if self.fails:
            self.fails = False
            raise StorageUnavailable("away")
        self.limits.append(limit)
        self.batches.append(await self.store.prune(before, limit))
        self.submitted.append(make_job())
        await self.store.add(self.submitted[-1])  # were the batches one transaction, this would wait for its end
        return self.batches[-1]


@pytest.fixture
async def pruned(opened: OpenStore, monkeypatch: pytest.MonkeyPatch) -> Pruned:
    monkeypatch.setattr(retention, "INTERVAL_SECONDS", 0.01)
    monkeypatch.setattr(retention, "PAUSE_SECONDS", 0.001)
    store = await opened()
    await asyncio.gather(*(store.add(make_job()) for _ in range(ENDED + 1)))
    jobs = (await store.claim("w", ENDED, 30, NOW)).jobs
    await asyncio.gather(*(store.finish("w", end(job)) for job in jobs))
    return Pruned(store)


async def prune(
    pruned: Pruned, now: float, until: Callable[[], bool], *, batch_seconds: float = 0.0
) -> RecordingObserver:
    """Let retention work until something is so; each batch takes so long."""
    observer = RecordingObserver()
    times = itertools.count(0.0, batch_seconds)
    task = asyncio.create_task(
        prune_for_ever(
            pruned,  # type: ignore[arg-type]  # all of a store that it needs
            observer,
            3600,
            clock=lambda: now,
            timer=lambda: next(times),
        )
    )

    async def done() -> bool:
        return until()

    await wait_until_async(done, "retention has done its work")
    task.cancel()
    await asyncio.wait({task})
    return observer


async def test_old_jobs_go_in_small_batches_and_submissions_go_between(pruned: Pruned) -> None:
    observer = await prune(pruned, NOW + 2 + 3600, lambda: len(pruned.batches) > 6)
    assert pruned.limits[:7] == [10, 20, 40, 80, 160, 200, 200]
    assert pruned.batches[:6] == [10, 20, 40, 80, 160, 140]
    assert ("jobs_pruned", {"count": ENDED}) in observer.events
    assert (await pruned.store.stats(NOW)).jobs[State.SUCCEEDED] == 0
    for job in pruned.submitted[:6]:
        assert (await pruned.store.get(job.id, "dev")).state is State.QUEUED


async def test_batches_that_take_long_become_smaller(pruned: Pruned) -> None:
    await prune(pruned, NOW + 2 + 3600, lambda: len(pruned.batches) > 5, batch_seconds=1.0)
    assert pruned.limits[:6] == [10, 5, 2, 1, 1, 1]


async def test_jobs_within_their_time_stay(pruned: Pruned) -> None:
    observer = await prune(pruned, NOW + 1 + 3600, lambda: len(pruned.batches) > 1)
    assert set(pruned.batches) == {0}
    assert observer.events == []


async def test_a_storage_that_is_away_only_delays_it(pruned: Pruned) -> None:
    pruned.fails = True
    await prune(pruned, NOW + 2 + 3600, lambda: sum(pruned.batches) == ENDED)
