"""Group commit: what shares a commit, what a bad call does to the others, and how a commit becomes durable."""

import asyncio
import concurrent.futures
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from service.domain.job import Outcome, State
from service.domain.ports import Receipt
from service.store import batch, driver, statements
from service.store.batch import Call
from service.store.identity import Moved
from service.store.sqlite import SqliteJobStore
from tests.store.making import NOW, end, make_job

OpenStore = Callable[..., Awaitable[SqliteJobStore]]


@dataclass
class Commits:
    """A `StoreObserver` that remembers."""

    sizes: list[int] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    times_busy: int = 0

    def committed(self, seconds: float, batch_size: int) -> None:
        assert seconds > 0
        self.sizes.append(batch_size)

    def busy(self) -> None:
        self.times_busy += 1

    def event(self, message: str, level: int = 0, **facts: Any) -> None:
        self.events.append(message)


async def test_what_is_asked_at_once_shares_commits(opened: OpenStore) -> None:
    commits = Commits()
    store = await opened(observer=commits)
    receipts = await asyncio.gather(*(store.add(make_job()) for _ in range(200)))
    assert sum(commits.sizes) == 200
    assert len(commits.sizes) < 100
    assert {receipt.batch_size for receipt in receipts} == set(commits.sizes)


async def test_a_finish_and_the_next_claim_share_a_commit(opened: OpenStore) -> None:
    commits = Commits()
    store = await opened(observer=commits)
    for _ in range(2):
        await store.add(make_job())
    (first,) = (await store.claim("w", 1, 30, NOW)).jobs
    commits.sizes.clear()
    outcome, claimed = await asyncio.gather(store.finish("w", end(first)), store.claim("w", 1, 30, NOW))
    assert (outcome, len(claimed.jobs)) == (Outcome.SUCCEEDED, 1)
    assert sum(commits.sizes) == 2


async def test_a_bad_call_fails_alone(opened: OpenStore) -> None:
    store = await opened()
    twice, good = make_job(), [make_job() for _ in range(5)]
    await store.add(twice)
    jobs = [*good[:3], twice, make_job(user_id="\ud800"), *good[3:]]
    answers = await asyncio.gather(*(store.add(job) for job in jobs), return_exceptions=True)
    assert isinstance(answers[3], driver.sqlite3.IntegrityError)
    assert isinstance(answers[4], UnicodeEncodeError)
    assert sum(isinstance(answer, Receipt) for answer in answers) == 5
    for job in good:
        assert await store.get(job.id, "dev") == job
    assert (await store.stats(NOW)).jobs[State.QUEUED] == 6
    await store.check()


async def test_a_claim_that_finds_nothing_commits_nothing(opened: OpenStore) -> None:
    commits = Commits()
    store = await opened(observer=commits)
    for _ in range(3):
        await store.claim("w", 5, 30, NOW)
    assert commits.sizes == []


async def test_a_full_claim_wakes_the_siblings_for_what_is_left(opened: OpenStore, tmp_path: Path) -> None:
    one, other = [await opened(runtime_dir=tmp_path / "run") for _ in range(2)]
    for _ in range(2):
        await one.add(make_job())
    await asyncio.wait_for(other.wait(3600), 30)
    await other.wait(0.1)
    await one.claim("w", 1, 30, NOW)
    await asyncio.wait_for(other.wait(3600), 30)


@pytest.mark.parametrize("moved_at", [1, 2, 3])
def test_a_file_moved_around_the_commit_is_never_an_acknowledgement(database: Path, moved_at: int) -> None:
    """Before the transaction, before its commit, and after it."""
    checks = []

    def verify() -> None:
        checks.append(1)
        if len(checks) == moved_at:
            raise Moved

    connection = driver.connect(database, "rw")
    call = Call(statements.prune, statements.Prune(NOW, 1), concurrent.futures.Future())
    with pytest.raises(Moved):
        batch.run(connection, [call], [statements.prune], verify)
    assert not connection.in_transaction
    connection.close()
