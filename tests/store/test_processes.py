"""Several real processes on one database: nothing runs twice, nothing acknowledged is lost, nobody blocks another."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from service.domain.job import JobNotFound, QueueFull, State, StorageUnavailable
from service.store import driver, writer
from service.store.sqlite import SqliteJobStore
from tests.store.making import NOW, make_job
from tests.store.processes import child

OpenStore = Callable[..., Awaitable[SqliteJobStore]]


async def test_four_processes_share_the_jobs_and_none_is_lost_or_runs_twice(database: Path, opened: OpenStore) -> None:
    with ExitStack() as stack:
        children = [stack.enter_context(child("add_and_work", database, 100, f"w{n}")) for n in range(4)]
        lines = [line for one in children for line in await asyncio.to_thread(one.rest)]
    added = {line for line in lines if line != "open" and not line.startswith("claimed ")}
    claimed = [line.removeprefix("claimed ") for line in lines if line.startswith("claimed ")]
    assert len(added) == 400
    assert len(claimed) == len(set(claimed))
    assert set(claimed) == added
    store = await opened()
    assert (await store.stats(NOW)).jobs == dict.fromkeys(State, 0) | {State.SUCCEEDED: 400}


async def test_four_processes_that_claim_at_once_get_equal_shares_and_no_job_twice(
    database: Path, opened: OpenStore
) -> None:
    """What makes the shares equal is that a worker claims what it has free slots for, and no more."""
    store = await opened()
    jobs = [make_job() for _ in range(3000)]
    for start in range(0, len(jobs), 500):
        await asyncio.gather(*(store.add(job) for job in jobs[start : start + 500]))
    with ExitStack() as stack:
        children = [stack.enter_context(child("claim_and_work", database, f"w{n}", 16)) for n in range(4)]
        assert [await asyncio.to_thread(one.line) for one in children] == ["open"] * 4
        for one in children:
            one.go()
        shares = [
            " ".join(lines).split()
            for lines in await asyncio.gather(*(asyncio.to_thread(one.rest) for one in children))
        ]
    claimed = [job_id for share in shares for job_id in share]
    assert sorted(claimed) == sorted(job.id for job in jobs), "each job once"
    sizes = sorted(map(len, shares))
    assert sizes[-1] <= 1.5 * sizes[0], sizes
    assert (await store.stats(NOW)).jobs == dict.fromkeys(State, 0) | {State.SUCCEEDED: len(jobs)}


async def test_kill_9_loses_no_acknowledged_job(database: Path, opened: OpenStore) -> None:
    with child("add", database, 100_000) as one:
        assert one.line() == "open"
        acknowledged = [one.line() for _ in range(300)]
        one.process.kill()
    store = await opened()
    for job_id in acknowledged:
        assert (await store.get(job_id, "dev")).id == job_id
    assert integrity(database) == "ok"


async def test_the_queue_limit_is_exact_over_processes(opened: OpenStore) -> None:
    stores = [await opened(max_queued=5) for _ in range(2)]
    for number in range(5):
        await stores[number % 2].add(make_job())
    for store in stores:
        with pytest.raises(QueueFull):
            await store.add(make_job())


async def test_a_submission_wakes_another_process(database: Path, opened: OpenStore) -> None:
    with child("wait", database) as one:
        assert one.line() == "open"
        store = await opened(runtime_dir=database.parent / "run")
        await store.add(make_job())
        assert await asyncio.to_thread(one.line) == '"woken"'


async def test_a_stopped_process_that_holds_the_lock_is_a_refusal_and_not_a_late_execution(
    database: Path, opened: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "PATIENCE_SECONDS", 0.3)
    store = await opened()
    refused, accepted = make_job(), make_job()
    with child("hold", database) as one:
        assert one.line() == "held"
        with pytest.raises(StorageUnavailable, match="another process"):
            await store.add(refused)
        with pytest.raises(StorageUnavailable, match="another process"):
            await asyncio.to_thread(store.heartbeat, "w", {refused.id: 1}, 30.0)
        with pytest.raises(JobNotFound):  # reads go on
            await store.get(refused.id, "dev")
    monkeypatch.setattr(writer, "PATIENCE_SECONDS", 30)
    await store.add(accepted)
    with pytest.raises(JobNotFound):
        await store.get(refused.id, "dev")


async def test_a_cancelled_caller_that_still_waits_changes_nothing(database: Path, opened: OpenStore) -> None:
    store = await opened()
    job = make_job()
    with child("hold", database) as one:
        assert one.line() == "held"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(store.add(job), 0.2)
    await store.add(make_job())
    with pytest.raises(JobNotFound):
        await store.get(job.id, "dev")


async def test_a_full_file_system_is_a_refusal_that_passes_by_itself(database: Path, opened: OpenStore) -> None:
    with child("fill_up", database) as one:
        lines = await asyncio.to_thread(one.rest)
    assert lines.count("refused: disk I/O error") == 3
    assert "queued: 10" in lines
    store = await opened()
    acknowledged = [line for line in lines if " " not in line and line != "open"]
    assert len(acknowledged) == 20
    for job_id in acknowledged:
        assert (await store.get(job_id, "dev")).id == job_id
    assert integrity(database) == "ok"


def integrity(database: Path) -> str:
    connection = driver.connect(database, "ro")
    try:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])
    finally:
        connection.close()
