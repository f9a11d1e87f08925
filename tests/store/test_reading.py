"""Reads that are asked together: each gets its own answer, and a slow one holds up none for long."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import cast

import pytest

from service.domain.job import JobNotFound, StorageUnavailable
from service.store.driver import sqlite3
from service.store.readers import CONNECTIONS, Readers
from service.store.reading import TOGETHER, Reading


class Snapshots:
    """Counts them; `failure` is raised in place of one."""

    def __init__(self) -> None:
        self.count = 0
        self.failure: Exception | None = None

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        self.count += 1
        if self.failure is not None:
            raise self.failure
        yield cast("sqlite3.Connection", self)


@pytest.fixture
def snapshots() -> Snapshots:
    return Snapshots()


@pytest.fixture
async def reading(snapshots: Snapshots) -> AsyncIterator[Reading]:
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        yield Reading(cast("Readers", snapshots), threads)


async def test_what_is_asked_during_a_read_goes_together_next(reading: Reading, snapshots: Snapshots) -> None:
    go = threading.Event()
    first = asyncio.create_task(reading.run(lambda _: go.wait(30)))
    await asyncio.sleep(0)
    others = [asyncio.create_task(reading.run(lambda _, number: number, number)) for number in range(TOGETHER)]
    await asyncio.sleep(0)
    go.set()
    assert await first
    assert await asyncio.gather(*others) == list(range(TOGETHER))
    assert snapshots.count <= 3  # the first, and all others: in one, or in two if the other connection helped


async def test_a_slow_read_does_not_hold_up_the_others(reading: Reading) -> None:
    go = threading.Event()
    slow = asyncio.create_task(reading.run(lambda _: go.wait(30)))
    await asyncio.sleep(0)
    assert await reading.run(lambda _: "quick") == "quick"
    assert not slow.done()
    go.set()
    assert await slow


async def test_a_read_that_raises_is_the_only_one_that_fails(reading: Reading) -> None:
    def missing(_: object) -> None:
        raise JobNotFound("no")

    asked = [reading.run(lambda _: 1), reading.run(missing), reading.run(lambda _: 3)]
    first, second, third = await asyncio.gather(*asked, return_exceptions=True)
    assert (first, third) == (1, 3)
    assert isinstance(second, JobNotFound)


async def test_without_a_database_every_read_says_so(reading: Reading, snapshots: Snapshots) -> None:
    snapshots.failure = StorageUnavailable("database file is missing")
    for outcome in await asyncio.gather(*(reading.run(lambda _: 1) for _ in range(3)), return_exceptions=True):
        assert isinstance(outcome, StorageUnavailable)
    snapshots.failure = None
    assert await reading.run(lambda _: 1) == 1


async def test_a_reader_that_left_disturbs_nobody(reading: Reading) -> None:
    go = threading.Event()
    left = asyncio.create_task(reading.run(lambda _: go.wait(30)))
    await asyncio.sleep(0)
    left.cancel()
    await asyncio.gather(left, return_exceptions=True)
    go.set()
    assert await reading.run(lambda _: 2) == 2


async def test_after_the_end_a_read_is_refused(snapshots: Snapshots) -> None:
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        reading = Reading(cast("Readers", snapshots), threads)
    with pytest.raises(StorageUnavailable):
        await reading.run(lambda _: 1)
