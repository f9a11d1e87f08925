"""`JobStore` on one SQLite file, shared by the processes of one machine.

Reads run on a few read-only connections in their own threads; every change goes through the writer's group commit.
"""

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from service.domain.job import Job, Outcome, Settlement
from service.domain.ports import Claimed, Hold, IdempotencyKey, Page, Query, Receipt, Stats, StoreObserver
from service.store import claims, cursor, lease, readers, reads, rows, statements
from service.store.database import Database
from service.store.driver import Synchronous
from service.store.lease import LeaseClock
from service.store.lock import WriteLock
from service.store.reading import Reading
from service.store.wakeup import Wakeup
from service.store.watch import Watch
from service.store.writer import Writer


@asynccontextmanager
async def open_sqlite_store(
    path: Path,
    *,
    max_queued: int = 100_000,
    synchronous: Synchronous = "FULL",
    runtime_dir: Path | None = None,
    observer: StoreObserver | None = None,
    lease_clock: Callable[[], float] = time.monotonic,
) -> AsyncIterator["SqliteJobStore"]:
    """The store on an existing, migrated database. `runtime_dir`: where its processes reach each other by sockets.

    Raises `StorageUnavailable` when the file is missing or not at a revision that this version works on.
    """
    wakeup, watch = Wakeup(runtime_dir), Watch(runtime_dir)
    clock = LeaseClock(lease_clock, lease.boot_id())
    add = partial(statements.add, max_queued=max_queued)
    # Heartbeats first: a claim expires leases. Then what makes jobs runnable, then who takes them.
    steps = (statements.finish, statements.cancel, statements.redrive, add)
    order = (statements.heartbeat, *steps, claims.claim, statements.prune)
    with WriteLock(path) as lock, wakeup.listening(), watch.mailbox:
        database = Database(path, lock, synchronous, observer or _Nobody())
        writer = Writer(database, lock, order, wakeup, watch, observer or _Nobody())
        with ThreadPoolExecutor(readers.CONNECTIONS, "store-reader") as threads:
            await writer.open()
            try:
                reading = Reading(database.readers, threads)
                store = SqliteJobStore(database, writer, wakeup, watch, reading, clock, add)
                async with watch.comparing(store.versions):
                    yield store
            finally:
                await writer.close()


class SqliteJobStore:
    """Made by `open_sqlite_store`."""

    def __init__(
        self,
        database: Database,
        writer: Writer,
        wakeup: Wakeup,
        watch: Watch,
        reading: Reading,
        clock: LeaseClock,
        add: statements.Add,
    ) -> None:
        self._database = database
        self._writer = writer
        self._wakeup = wakeup
        self._watch = watch
        self._reading = reading
        self._clock = clock
        self._add = add

    async def add(self, job: Job, key: IdempotencyKey | None = None) -> Receipt:
        self._writer.require_room()
        submit = statements.Submit(rows.new_row(job, key), job.user_id, key)
        earlier, receipt = await self._writer.run(self._add, submit)
        return receipt if earlier is None else replace(receipt, earlier=earlier)

    async def get(self, job_id: str, user_id: str) -> Job:
        return await self._reading.run(reads.get, job_id, user_id)

    async def list(self, query: Query) -> Page:
        return await self._reading.run(reads.page, query, cursor.decode(query.cursor))

    async def cancel(self, job_id: str, user_id: str, now: float) -> Job:
        job: Job = (await self._writer.run(statements.cancel, statements.Ask(job_id, user_id, now)))[0]
        return job

    async def redrive(self, job_id: str, user_id: str, now: float) -> Job:
        job: Job = (await self._writer.run(statements.redrive, statements.Ask(job_id, user_id, now)))[0]
        return job

    def watch(self, job_id: str, changed: Callable[[], None]) -> AbstractContextManager[None]:
        return self._watch.watching(job_id, changed)

    async def versions(self, job_ids: Sequence[str]) -> dict[str, int]:
        return await self._reading.run(reads.versions, job_ids)

    async def claim(
        self, owner: str, limit: int, lease_seconds: float, now: float, hold: Hold | None = None
    ) -> Claimed:
        def durable(claimed: Claimed) -> None:
            self._wakeup.claimed(limit, len(claimed.jobs))
            if hold is not None:
                for job in claimed.jobs:
                    hold(job.id, job.run)

        call = claims.Claim(owner, limit, lease_seconds, now, self._clock)
        claimed: Claimed = (await self._writer.run(claims.claim, call, durable))[0]
        return claimed

    async def finish(self, owner: str, settlement: Settlement) -> Outcome | None:
        outcome: Outcome | None = (await self._writer.run(statements.finish, statements.Finish(owner, settlement)))[0]
        return outcome

    def heartbeat(self, owner: str, held: Mapping[str, int], lease_seconds: float) -> frozenset[str]:
        call = statements.Heartbeat(owner, dict(held), lease_seconds, self._clock)
        lost: frozenset[str] = self._writer.run_blocking(statements.heartbeat, call)
        return lost

    async def cancellations(self, owner: str) -> frozenset[str]:
        return await self._reading.run(reads.cancellations, owner)

    async def wait(self, seconds: float) -> None:
        await self._wakeup.wait(seconds)

    async def prune(self, before: float, limit: int) -> int:
        deleted: int = (await self._writer.run(statements.prune, statements.Prune(before, limit)))[0]
        return deleted

    async def stats(self, now: float) -> Stats:
        return await self._reading.run(reads.stats, self._database, self._clock, now)

    async def check(self) -> None:
        self._writer.check()


class _Nobody:
    """A `StoreObserver` who does not listen."""

    def committed(self, seconds: float, batch_size: int) -> None: ...

    def busy(self) -> None: ...

    def event(self, message: str, level: int = 0, **facts: Any) -> None: ...
