"""What the tests run in processes of their own: `python -m tests.store.child COMMAND DATABASE …`, one answer a line."""

import asyncio
import json
import resource
import sys
import time
from pathlib import Path

from service.domain.job import Outcome, State, StorageUnavailable
from service.store.lock import WriteLock
from service.store.sqlite import SqliteJobStore, open_sqlite_store
from tests.store.making import NOW, end, make_job
from tests.waiting import wait_until_async

WORK_SECONDS = 0.05


def say(*words: object) -> None:
    print(*words, flush=True)


async def add(store: SqliteJobStore, number: int) -> None:
    """Say each id once it is acknowledged."""

    async def one() -> None:
        job = make_job()
        await store.add(job)
        say(job.id)

    for _ in range(number // 10):
        await asyncio.gather(*(one() for _ in range(10)))


async def add_and_work(store: SqliteJobStore, number: int, owner: str) -> None:
    """Add jobs and run what there is, until no job has been there for a while."""
    adding = asyncio.create_task(add(store, number))
    idle_since = time.monotonic()
    while not adding.done() or time.monotonic() - idle_since < 1:
        claimed = await store.claim(owner, 7, 30, time.time() + 1e9)
        for job in claimed.jobs:
            say("claimed", job.id)
            assert await store.finish(owner, end(job, Outcome.SUCCEEDED)) is Outcome.SUCCEEDED
            idle_since = time.monotonic()
        if not claimed.jobs:
            await store.wait(0.05)
    await adding


async def claim_and_work(store: SqliteJobStore, owner: str, slots: int) -> None:
    """From a line on stdin on, run what there is, as a worker does: as many jobs at a time as it has slots, each of
    which takes a while. Say each id."""
    await asyncio.to_thread(sys.stdin.readline)
    while jobs := (await store.claim(owner, slots, 30, NOW)).jobs:
        say(*(job.id for job in jobs))
        await asyncio.sleep(WORK_SECONDS)
        ended = await asyncio.gather(*(store.finish(owner, end(job)) for job in jobs))
        assert set(ended) == {Outcome.SUCCEEDED}


async def fill_up(store: SqliteJobStore) -> None:
    """Go on while no file may be written to, as on a full file system; then with that limit taken back."""
    await add(store, 10)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    for attempt in (lambda: store.add(make_job()), store.check, lambda: store.add(make_job())):
        try:
            await attempt()
        except StorageUnavailable as problem:
            say("refused:", problem)
    say("queued:", (await store.stats(0)).jobs[State.QUEUED])
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    await wait_until_async(lambda: works(store), "the store works again")
    await add(store, 10)


async def works(store: SqliteJobStore) -> bool:
    try:
        await store.check()
    except StorageUnavailable:
        return False
    return True


async def main(command: str, database: Path, *arguments: str) -> None:
    if command == "hold":
        with WriteLock(database) as lock, lock.held():
            say("held")
            sys.stdin.read()
        return
    async with open_sqlite_store(database, runtime_dir=database.parent / "run") as store:
        say("open")
        match command:
            case "add":
                await add(store, int(arguments[0]))
            case "add_and_work":
                await add_and_work(store, int(arguments[0]), arguments[1])
            case "claim_and_work":
                await claim_and_work(store, arguments[0], int(arguments[1]))
            case "fill_up":
                await fill_up(store)
            case "wait":
                await store.wait(60)
                say(json.dumps("woken"))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:]))
