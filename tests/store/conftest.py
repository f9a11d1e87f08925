"""The two stores behind one fixture, so that every test of the contract runs over both."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from service.domain.ports import JobStore
from service.store.memory import MemoryJobStore
from service.store.sqlite import SqliteJobStore, open_sqlite_store
from tests.store.making import ManualClock

OpenStore = Callable[..., Awaitable[JobStore]]


@pytest.fixture
def clock() -> ManualClock:
    """The clock of the leases."""
    return ManualClock()


@pytest.fixture
def database(migrated: Path, tmp_path: Path) -> Path:
    """An empty, migrated database."""
    return Path(shutil.copy(migrated, tmp_path / "jobs.db"))  # closed: see the warning in `database`


@pytest.fixture
async def opened(database: Path) -> AsyncIterator[Callable[..., Awaitable[SqliteJobStore]]]:
    """Opens SQLite stores that are closed after the test."""
    async with AsyncExitStack() as stack:

        async def open_one(path: Path = database, **options: Any) -> SqliteJobStore:
            return await stack.enter_async_context(open_sqlite_store(path, **options))

        yield open_one


@pytest.fixture(params=["memory", "sqlite"])
async def open_store(request: pytest.FixtureRequest, clock: ManualClock, database: Path) -> AsyncIterator[OpenStore]:
    async with AsyncExitStack() as stack:

        async def open_one(**options: Any) -> JobStore:
            if request.param == "memory":
                return MemoryJobStore(lease_clock=clock, **options)
            return await stack.enter_async_context(open_sqlite_store(database, lease_clock=clock, **options))

        yield open_one


@pytest.fixture
async def store(open_store: OpenStore) -> JobStore:
    """A store of either kind, with the test's `clock` for its leases."""
    return await open_store()
