"""The settings, the log and the query plans of the SQLite store."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest

from service.domain.job import Outcome, State, StorageUnavailable
from service.store import claims, driver, reads, statements
from service.store.database import Database
from service.store.identity import file_at
from service.store.lock import WriteLock
from service.store.sqlite import SqliteJobStore, open_sqlite_store
from tests.store.making import NOW, end, make_job
from tests.store.test_writer import Commits
from tests.waiting import wait_until_async

OpenStore = Callable[..., Awaitable[SqliteJobStore]]


def pragma(connection: driver.sqlite3.Connection, name: str) -> object:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


@pytest.fixture
def lock(database: Path) -> Iterator[WriteLock]:
    with WriteLock(database) as lock, lock.held():
        yield lock


@pytest.mark.parametrize(("synchronous", "level"), [("FULL", 2), ("NORMAL", 1)])
def test_a_commit_is_as_durable_as_asked(
    database: Path, lock: WriteLock, synchronous: Literal["FULL", "NORMAL"], level: int
) -> None:
    opened = Database(database, lock, synchronous, Commits())
    opened.open()
    writing = opened.connection
    assert pragma(writing, "synchronous") == level
    assert pragma(writing, "journal_mode") == "wal"
    assert pragma(writing, "wal_autocheckpoint") == 0
    assert pragma(writing, "foreign_keys") == 1
    assert pragma(writing, "busy_timeout") == 5000
    opened.close()


def test_readers_cannot_write_nor_checkpoint_by_themselves(database: Path, lock: WriteLock) -> None:
    opened = Database(database, lock, "FULL", Commits())
    opened.open()
    with opened.readers.snapshot() as reading:
        assert pragma(reading, "wal_autocheckpoint") == 0
        with pytest.raises(driver.sqlite3.OperationalError, match="readonly"):
            reading.execute("UPDATE counter SET jobs = 7")
    opened.close()


async def test_the_log_is_checkpointed_while_it_grows_and_emptied_once_quiet(database: Path, opened: OpenStore) -> None:
    store = await opened()
    for _ in range(40):
        await asyncio.gather(*(store.add(make_job()) for _ in range(50)))
    stats = await store.stats(NOW)
    assert stats.jobs[State.QUEUED] == 2000
    assert stats.wal_size_bytes < 32 * 2**20
    assert stats.database_size_bytes > 200_000

    async def is_empty() -> bool:
        return (await store.stats(NOW)).wal_size_bytes == 0

    await wait_until_async(is_empty, "the log is emptied")
    assert (await store.stats(NOW)).disk_free_bytes > 0


async def test_an_expired_lease_of_an_earlier_boot_counts_as_expired(database: Path, opened: OpenStore) -> None:
    store = await opened()
    await store.add(make_job())
    await store.claim("w", 1, 3600, NOW)
    connection = driver.connect(database, "rw")
    connection.execute("UPDATE job SET lease_boot = 'another'")
    connection.close()
    claimed = await store.claim("w", 1, 3600, NOW)
    assert [job.lease_expired for job in claimed.expired] == [True]
    assert [job.attempt for job in claimed.jobs] == [2]


async def test_counters_cannot_drift_from_the_rows(database: Path, opened: OpenStore) -> None:
    store = await opened()
    await asyncio.gather(*(store.add(make_job()) for _ in range(20)))
    await store.claim("w", 7, 30, NOW)
    connection = driver.connect(database, "rw")
    connection.execute("DELETE FROM job WHERE seq % 3 = 0")
    connection.execute("UPDATE job SET state = 'failed' WHERE seq % 5 = 0")
    counted = dict(connection.execute("SELECT state, jobs FROM counter WHERE jobs > 0"))
    assert counted == dict(connection.execute("SELECT state, count(*) FROM job GROUP BY state"))
    connection.close()


async def test_another_program_that_locks_the_database_is_told(
    database: Path, opened: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "BUSY_SECONDS", 0.1)
    commits = Commits()
    store = await opened(observer=commits)
    connection = driver.connect(database, "rw")
    connection.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageUnavailable, match="locked"):
        await store.add(make_job())
    connection.execute("ROLLBACK")
    connection.close()
    assert commits.times_busy == 1
    await store.add(make_job())
    assert commits.events == ["store_failed", "store_recovered"]


async def test_a_full_database_is_said_to_be_a_full_disk(database: Path, opened: OpenStore) -> None:
    store = await opened()
    connection = store._database.connection
    connection.execute("PRAGMA max_page_count = 50")
    with pytest.raises(StorageUnavailable, match="disk full"):
        await store.add(make_job(payload={"text": "x" * 500_000}))
    connection.execute("PRAGMA max_page_count = 1000000")
    await store.add(make_job(payload={"text": "x" * 500_000}))


async def test_a_reader_that_never_lets_go_stops_new_jobs_before_the_log_fills_the_disk(
    database: Path, opened: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.store.database.LOG_MOST_BYTES", 2**20)
    store = await opened()
    await store.add(make_job())
    (running,) = (await store.claim("w", 1, 30, NOW)).jobs
    reader = driver.connect(database, "ro")
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM job").fetchone()

    async def refused() -> bool:
        try:
            await store.add(make_job())
        except StorageUnavailable as problem:
            return "log is full" in str(problem)
        return False

    await wait_until_async(refused, "no more jobs are taken")
    with pytest.raises(StorageUnavailable, match="log is full"):
        await store.check()
    assert await store.finish("w", end(running)) is Outcome.SUCCEEDED, "what is there goes on"
    reader.close()

    async def taken() -> bool:
        return not await refused()

    await wait_until_async(taken, "jobs are taken again")
    await store.check()


async def test_a_missing_file_is_refused_and_not_created(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable, match="missing"):
        async with open_sqlite_store(tmp_path / "jobs.db"):
            pass
    assert file_at(f"{tmp_path}/jobs.db") is None


async def test_a_restored_copy_is_opened_with_a_write_ahead_log(
    database: Path, opened: OpenStore, tmp_path: Path
) -> None:
    connection = driver.connect(database, "rw")
    connection.execute("VACUUM INTO ?", (str(tmp_path / "copy.db"),))
    connection.close()
    store = await opened(tmp_path / "copy.db")
    await store.add(make_job())
    assert pragma(store._database.connection, "journal_mode") == "wal"


async def test_a_link_to_the_database_leads_to_it(database: Path, opened: OpenStore, tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(database)
    one, other = await opened(database), await opened(link)
    job = make_job()
    await one.add(job)
    assert await other.get(job.id, "dev") == job
    await other.add(make_job())
    await other.check()


def plan(database: Path, sql: str) -> str:
    connection = driver.connect(database, "ro")
    try:
        parameters = dict.fromkeys(("id", "user_id", "before", "state", "kind", "limit", "owner", "seq", "boot"), 1)
        values = parameters if ":" in sql else (1,) * (3 if "?3" in sql else sql.count("?"))
        return " / ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values))
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        (reads._sql(reads._page), "job_of_user (user_id=? AND rowid<?)"),
        (reads._sql(reads._page, "state"), "job_of_user_by_state (user_id=? AND state=? AND rowid<?)"),
        (reads._sql(reads._page, "kind"), "job_of_user_by_kind (user_id=? AND kind=? AND rowid<?)"),
        (reads._sql(reads._cancellations), "job_cancelling (owner=?)"),
        (reads._sql(reads._oldest), "job_queued (due=?)"),
        (claims.START.partition("RETURNING")[0], "job_runnable"),
        (claims.PROMOTE, "job_queued (due=? AND run_at<?)"),
        (claims.EXPIRED, "job_leased (lease_boot=? AND lease_until<?)"),
        (claims.NEXT, "job_queued (due=?)"),
        (statements.PRUNE, "job_ended (finished_at<?)"),
    ],
)
def test_no_statement_sorts_or_scans_the_jobs(database: Path, sql: str, index: str) -> None:
    steps = plan(database, sql)
    assert index in steps
    assert not re.search(r"SCAN job(?! USING (COVERING )?INDEX job_runnable)", steps)
    assert "ORDER BY" not in steps


def test_versions_with_the_wal_reset_fix_are_known() -> None:
    assert [driver.wal_reset_fixed(version) for version in ("3.51.3", "3.50.7", "3.44.6", "3.53.4", "4.0.0")] == [
        True
    ] * 5
    assert [driver.wal_reset_fixed(version) for version in ("3.51.2", "3.50.6", "3.46.1", "3.44.5", "3.40.1")] == [
        False
    ] * 5
    assert driver.sqlite_version() == driver.sqlite3.sqlite_version
