"""The database file moved, replaced or deleted while it is open: refused, nothing acknowledged lost, back by itself.

Files are moved and copied by other programs (`mv`, `cp`) as an operator would: in this process, closing a copy's
descriptor would drop SQLite's locks on the original.
"""

import glob
import subprocess
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from service.domain.job import JobNotFound, StorageUnavailable
from service.domain.ports import JobStore, Query
from service.store import driver
from service.store.identity import file_at
from service.store.migrations import migrate
from service.store.sqlite import SqliteJobStore
from tests.store.making import NOW, make_job
from tests.store.processes import child
from tests.waiting import wait_until, wait_until_async

Stores = list[SqliteJobStore]
OpenStore = Callable[..., Awaitable[SqliteJobStore]]


@pytest.fixture
async def stores(opened: OpenStore) -> Stores:
    """Two stores on one file, as two workers have it."""
    return [await opened(), await opened()]


def mv(source: Path, target: Path) -> None:
    subprocess.run(["mv", source, target], check=True)


def ln(source: Path, target: Path) -> None:
    subprocess.run(["ln", source, target], check=True)


def rm(path: Path) -> None:
    subprocess.run(["rm", path], check=True)


def put(content: str, path: Path) -> None:
    path.write_text(content)


def holds(content: str, path: Path) -> bool:
    return path.read_text() == content


def cp(source: Path, target: Path) -> None:
    subprocess.run(["cp", source, target], check=True)


def vacuum_into(source: Path, target: Path) -> None:
    connection = driver.connect(source, "rw")
    connection.execute("VACUUM INTO ?", (str(target),))
    connection.close()


def ids(path: Path) -> set[str]:
    """The jobs in that file alone, which must be whole."""
    connection = driver.connect(path, "rw")
    try:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return {row[0] for row in connection.execute("SELECT id FROM job")}
    finally:
        connection.close()


async def add_to_each(stores: Stores) -> set[str]:
    jobs = [make_job() for _ in stores for _ in range(5)]
    for number, job in enumerate(jobs):
        await stores[number % len(stores)].add(job)
    return {job.id for job in jobs}


async def refused(store: JobStore) -> None:
    """Every way in is closed, at once."""
    with pytest.raises(StorageUnavailable, match="database"):
        await store.add(make_job())
    with pytest.raises(StorageUnavailable, match="database"):
        await store.check()
    with pytest.raises(StorageUnavailable, match="database"):
        await store.get("any", "dev")
    with pytest.raises(StorageUnavailable, match="database"):
        await store.stats(NOW)


async def is_back(store: JobStore) -> bool:
    try:
        await store.check()
        await store.stats(NOW)
    except StorageUnavailable:
        return False
    return True


async def recovered(stores: Stores) -> None:
    for store in stores:
        await wait_until_async(partial(is_back, store), "the store works again")


def log_is_empty(path: Path) -> bool:
    log = Path(f"{path}-wal")
    return not log.exists() or log.stat().st_size == 0


async def test_moved_away_and_back(database: Path, stores: Stores, tmp_path: Path) -> None:
    acknowledged = await add_to_each(stores)
    mv(database, tmp_path / "away.db")
    for store in stores:
        await refused(store)
    assert file_at(str(database)) is None
    wait_until(lambda: log_is_empty(database), "the log is written into the file")
    assert ids(tmp_path / "away.db") == acknowledged
    mv(tmp_path / "away.db", database)
    await recovered(stores)
    for job_id in acknowledged | await add_to_each(stores):
        for store in stores:
            assert (await store.get(job_id, "dev")).id == job_id


async def test_moved_away_and_back_before_anyone_looked(database: Path, stores: Stores, tmp_path: Path) -> None:
    acknowledged = await add_to_each(stores)
    for _ in range(20):
        mv(database, tmp_path / "away.db")
        mv(tmp_path / "away.db", database)
        await recovered(stores)
        acknowledged |= await add_to_each(stores)
    for job_id in acknowledged:
        assert (await stores[0].get(job_id, "dev")).id == job_id


async def test_replaced_by_a_copy(database: Path, stores: Stores, tmp_path: Path) -> None:
    old = await add_to_each(stores)
    vacuum_into(database, tmp_path / "copy.db")
    last = await add_to_each(stores)
    ln(database, tmp_path / "away.db")
    mv(tmp_path / "copy.db", database)
    for store in stores:
        with pytest.raises(StorageUnavailable, match="replaced"):
            await store.get(next(iter(old)), "dev")
    await recovered(stores)
    new = await add_to_each(stores)
    for job_id in old | new:
        assert (await stores[1].get(job_id, "dev")).id == job_id
    for job_id in last:
        with pytest.raises(JobNotFound):
            await stores[0].get(job_id, "dev")
    wait_until(lambda: log_is_empty(database), "the log is written into the file")
    assert ids(tmp_path / "away.db") == old | last
    assert ids(database) == old | new


async def test_deleted_and_restored_from_a_copy_of_the_quiet_file(
    database: Path, stores: Stores, tmp_path: Path
) -> None:
    acknowledged = await add_to_each(stores)
    wait_until(lambda: log_is_empty(database), "a quiet database's file is whole")
    cp(database, tmp_path / "copy.db")
    rm(database)
    for store in stores:
        await refused(store)
    cp(tmp_path / "copy.db", database)
    await recovered(stores)
    new = await add_to_each(stores)
    for job_id in acknowledged | new:
        assert (await stores[0].get(job_id, "dev")).id == job_id


@pytest.mark.parametrize("content", ["this is not a database", ""])
async def test_replaced_by_something_else(database: Path, stores: Stores, tmp_path: Path, content: str) -> None:
    acknowledged = await add_to_each(stores)
    mv(database, tmp_path / "away.db")
    put(content, database)
    for store in stores:
        await refused(store)
    wait_until(lambda: log_is_empty(database), "the log is written into the file")
    for store in stores:
        await refused(store)
    assert holds(content, database)
    mv(tmp_path / "away.db", database)
    await recovered(stores)
    for job_id in acknowledged | await add_to_each(stores):
        assert (await stores[0].get(job_id, "dev")).id == job_id


async def test_replaced_by_a_database_that_this_version_cannot_work_on(
    database: Path, stores: Stores, tmp_path: Path
) -> None:
    other = tmp_path / "other.db"
    migrate(other)
    connection = driver.connect(other, "rw")
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.execute("PRAGMA user_version = 9999")  # it was contracted
    connection.close()
    mv(database, tmp_path / "away.db")
    mv(other, database)

    async def says_so() -> bool:
        try:
            await stores[0].check()
        except StorageUnavailable as problem:
            return "9999" in str(problem)
        return False

    await wait_until_async(says_so, "the reason names the revision")
    await refused(stores[0])
    mv(tmp_path / "away.db", database)
    await recovered(stores)


async def test_its_whole_directory_moved_away_and_back(migrated: Path, tmp_path: Path, opened: OpenStore) -> None:
    directory = tmp_path / "data"
    directory.mkdir()
    cp(migrated, directory / "jobs.db")
    stores = [await opened(directory / "jobs.db") for _ in range(2)]
    acknowledged = await add_to_each(stores)
    mv(directory, tmp_path / "away")
    for store in stores:
        await refused(store)
    mv(tmp_path / "away", directory)
    await recovered(stores)
    for job_id in acknowledged | await add_to_each(stores):
        assert (await stores[0].get(job_id, "dev")).id == job_id


@pytest.mark.parametrize("suffix", ["-wal", "-shm", ".lock"])
async def test_a_file_beside_the_database_deleted(database: Path, stores: Stores, suffix: str) -> None:
    acknowledged = await add_to_each(stores)
    rm(Path(f"{database}{suffix}"))
    await recovered(stores)
    acknowledged |= await add_to_each(stores)
    for job_id in acknowledged:
        assert (await stores[0].get(job_id, "dev")).id == job_id
    wait_until(lambda: log_is_empty(database), "the log is written into the file")


async def test_a_log_left_by_another_file_is_not_replayed(database: Path, opened: OpenStore, tmp_path: Path) -> None:
    cp(database, tmp_path / "copy.db")
    with child("add", database, 100_000) as one:
        for _ in range(100):
            one.line()
        one.process.kill()
    assert not log_is_empty(database)
    mv(tmp_path / "copy.db", database)
    store = await opened()
    job = make_job()
    await store.add(job)
    assert {item.id for item in (await store.list(Query(user_id="dev"))).items} == {job.id}
    assert glob.glob(f"{database}-wal.*.orphan")  # noqa: PTH207
