"""Who waits for a job hears of its changes: in every store, over processes, and also when a message is lost."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from service.domain.job import Outcome
from service.domain.ports import JobStore
from service.store import mailbox, watch
from service.store.sqlite import SqliteJobStore
from tests.store.making import NOW, ManualClock, end, make_job
from tests.waiting import wait_until_async

OpenStore = Callable[..., Awaitable[SqliteJobStore]]


async def is_told(event: asyncio.Event) -> None:
    async with asyncio.timeout(30):
        await event.wait()
    event.clear()


def compare_each(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """How often versions are compared; the least time between two is short."""
    monkeypatch.setattr(watch, "COMPARE_SECONDS", seconds)
    monkeypatch.setattr(watch, "LEAST_COMPARE_SECONDS", 0.05)


async def test_every_visible_change_is_told(store: JobStore, clock: ManualClock) -> None:
    job = make_job(max_attempts=2)
    await store.add(job)
    changed = asyncio.Event()
    with store.watch(job.id, changed.set):
        (running,) = (await store.claim("w", 1, 30, NOW)).jobs
        await is_told(changed)
        await store.finish("w", end(running, Outcome.RETRIED, retry_at=NOW))
        await is_told(changed)
        await store.claim("w", 1, 30, NOW)
        await is_told(changed)
        await store.cancel(job.id, "dev", NOW)
        await is_told(changed)
        clock.seconds += 31
        await store.claim("w", 0, 30, NOW)
        await is_told(changed)


async def test_a_redrive_is_told(store: JobStore) -> None:
    job = make_job()
    await store.add(job)
    (running,) = (await store.claim("w", 1, 30, NOW)).jobs
    await store.finish("w", end(running, Outcome.FAILED))
    changed = asyncio.Event()
    with store.watch(job.id, changed.set):
        await store.redrive(job.id, "dev", NOW)
        await is_told(changed)


async def test_changes_of_other_jobs_and_after_the_watch_are_not_told(store: JobStore) -> None:
    job, other = make_job(), make_job()
    await store.add(job)
    await store.add(other)
    changed, seen = asyncio.Event(), asyncio.Event()
    with store.watch(job.id, changed.set):
        pass
    with store.watch(job.id, changed.set), store.watch(other.id, seen.set):
        await store.cancel(other.id, "dev", NOW)
        await is_told(seen)
    await store.cancel(job.id, "dev", NOW)
    assert not changed.is_set()


async def test_all_who_watch_a_job_are_told(store: JobStore) -> None:
    job = make_job()
    await store.add(job)
    one, other = asyncio.Event(), asyncio.Event()
    with store.watch(job.id, one.set), store.watch(job.id, other.set):
        await store.cancel(job.id, "dev", NOW)
        await is_told(one)
        await is_told(other)


async def test_a_change_made_by_another_process_is_told(
    opened: OpenStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "COMPARE_SECONDS", 3600)
    here, there = await opened(runtime_dir=tmp_path / "run"), await opened(runtime_dir=tmp_path / "run")
    jobs = [make_job() for _ in range(2000)]
    await asyncio.gather(*(here.add(job) for job in jobs))
    changed = asyncio.Event()
    with here.watch(jobs[-1].id, changed.set):
        await there.claim("w", 2000, 30, NOW)  # more ids than one message holds
        await is_told(changed)


async def test_a_lost_message_is_made_up_for(
    opened: OpenStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare_each(monkeypatch, 0.1)
    here, there = await opened(runtime_dir=tmp_path / "run"), await opened(runtime_dir=None)
    job = make_job()
    await here.add(job)
    changed = asyncio.Event()
    with here.watch(job.id, changed.set):
        await is_told(changed)  # the first comparison knows no version yet
        await there.cancel(job.id, "dev", NOW)  # says nothing to anybody
        await is_told(changed)


async def test_a_full_mailbox_is_noticed_at_once(
    opened: OpenStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare_each(monkeypatch, 3600)
    here = await opened(runtime_dir=tmp_path / "run")
    job = make_job()
    await here.add(job)
    changed = asyncio.Event()
    with here.watch(job.id, changed.set), mailbox.Mailbox(tmp_path / "run", "watch", lambda _: None) as flood:
        flood.send(*(b"another job's id" for _ in range(1000)))
        await is_told(changed)


async def test_the_mailbox_is_open_only_while_somebody_watches(
    opened: OpenStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare_each(monkeypatch, 0.1)
    store = await opened(runtime_dir=tmp_path / "run")

    def open_mailboxes() -> int:
        return len(list((tmp_path / "run").glob("watch-*")))

    async def closed() -> bool:
        return open_mailboxes() == 0

    for _ in range(2):
        assert open_mailboxes() == 0
        with store.watch("any", lambda: None):
            assert open_mailboxes() == 1
        await wait_until_async(closed, "the mailbox is closed")
