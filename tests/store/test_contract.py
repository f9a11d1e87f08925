"""What every `JobStore` promises: submissions, reads, claims and prune. The life of an attempt: `test_attempts`."""

import asyncio
from dataclasses import replace

import pytest

from service.domain.job import JobNotFound, Outcome, QueueFull, State
from service.domain.ports import BadCursor, JobStore, Query
from tests.store.conftest import OpenStore
from tests.store.making import NOW, ManualClock, end, make_job


async def test_an_added_job_is_read_back_as_it_was(store: JobStore) -> None:
    job = make_job(
        payload={"text": "häß\u0000\ud800", "list": [1, 2.5, None, True]},
        run_at=NOW + 0.123456,
        priority=-7,
        max_attempts=3,
        timeout_seconds=1.5,
        request_id="r",
        trace_id="t",
        traceparent="p",
    )
    receipt = await store.add(job)
    assert receipt.batch_size == 1
    assert receipt.waited_seconds >= 0
    assert await store.get(job.id, "dev") == job


async def test_a_payload_that_is_not_json_is_refused(store: JobStore) -> None:
    with pytest.raises(ValueError, match="JSON"):
        await store.add(make_job(payload={"x": float("nan")}))
    assert (await store.stats(NOW)).jobs[State.QUEUED] == 0


@pytest.mark.parametrize("user", ["other", ""])
async def test_another_users_job_is_not_found(store: JobStore, user: str) -> None:
    job = make_job()
    await store.add(job)
    with pytest.raises(JobNotFound):
        await store.get(job.id, user)
    with pytest.raises(JobNotFound):
        await store.cancel(job.id, user, NOW)
    assert (await store.get(job.id, "dev")).state is State.QUEUED


async def test_an_unknown_job_is_not_found(store: JobStore) -> None:
    with pytest.raises(JobNotFound):
        await store.get("nothing", "dev")
    with pytest.raises(JobNotFound):
        await store.cancel("nothing", "dev", NOW)


async def test_the_queue_limit_is_exact_and_counts_queued_jobs_only(open_store: OpenStore) -> None:
    store = await open_store(max_queued=2)
    await store.add(make_job())
    await store.add(make_job(run_at=NOW + 60))
    with pytest.raises(QueueFull):
        await store.add(make_job())
    await store.claim("w", 1, 30, NOW)
    await store.add(make_job())
    with pytest.raises(QueueFull):
        await store.add(make_job())


async def test_the_queue_limit_holds_for_submissions_at_once(open_store: OpenStore) -> None:
    store = await open_store(max_queued=3)
    answers = await asyncio.gather(*(store.add(make_job()) for _ in range(10)), return_exceptions=True)
    assert sum(isinstance(answer, QueueFull) for answer in answers) == 7
    assert (await store.stats(NOW)).jobs[State.QUEUED] == 3


# Lists


async def test_a_list_has_the_users_jobs_newest_first_each_as_get_gives_it(store: JobStore) -> None:
    jobs = [make_job() for _ in range(3)]
    for job in (*jobs, make_job(user_id="other")):
        await store.add(job)
    await store.claim("w", 1, 30, NOW)
    page = await store.list(Query(user_id="dev"))
    assert [job.id for job in page.items] == [job.id for job in reversed(jobs)]
    assert page.items == [await store.get(job.id, "dev") for job in page.items]
    assert page.items[2].attempts
    assert page.next is None


async def test_a_list_filters_by_state_and_kind(store: JobStore) -> None:
    for kind in ("sleep", "primes", "sleep", "primes"):
        await store.add(make_job(kind=kind))
    await store.claim("w", 2, 30, NOW)

    async def kinds(state: State | None, kind: str | None) -> list[str]:
        page = await store.list(Query(user_id="dev", state=state, kind=kind))
        return [job.kind for job in page.items]

    assert await kinds(State.RUNNING, None) == ["primes", "sleep"]
    assert await kinds(None, "sleep") == ["sleep", "sleep"]
    assert await kinds(State.QUEUED, "primes") == ["primes"]
    assert await kinds(State.FAILED, None) == []


@pytest.mark.parametrize("size", [1, 2, 3, 7])
async def test_pages_neither_repeat_nor_skip_while_jobs_arrive(store: JobStore, size: int) -> None:
    before = [make_job() for _ in range(6)]
    for job in before:
        await store.add(job)
    seen: list[str] = []
    page = await store.list(Query(user_id="dev", limit=size))
    seen += [job.id for job in page.items]
    while page.next is not None:
        await store.add(make_job())
        page = await store.list(Query(user_id="dev", limit=size, cursor=page.next))
        seen += [job.id for job in page.items]
    assert seen == [job.id for job in reversed(before)]


async def test_the_last_full_page_has_no_next(store: JobStore) -> None:
    for _ in range(2):
        await store.add(make_job())
    assert (await store.list(Query(user_id="dev", limit=2))).next is None
    assert (await store.list(Query(user_id="dev", limit=1))).next is not None


@pytest.mark.parametrize(
    "cursor", ["", "!", "1", "MQ==", "x" * 500, "ä" * 16, "8" + "0" * 15, "0" * 15, "0" * 17, "00000000000000A1"]
)
async def test_a_cursor_that_no_page_gave_out_is_refused(store: JobStore, cursor: str) -> None:
    with pytest.raises(BadCursor):
        await store.list(Query(user_id="dev", cursor=cursor))


# Claims


async def test_a_claim_starts_the_highest_priority_first_then_the_longest_due(store: JobStore) -> None:
    low, high, older = make_job(priority=-1), make_job(priority=5), make_job(run_at=NOW - 1)
    same = make_job(run_at=NOW - 1)
    for job in (low, high, older, same):
        await store.add(job)
    claimed = await store.claim("w", 10, 30, NOW)
    assert [job.id for job in claimed.jobs] == [high.id, older.id, same.id, low.id]


async def test_a_claimed_job_runs_under_its_new_attempt(store: JobStore) -> None:
    job = make_job()
    await store.add(job)
    claimed = await store.claim("w", 1, 30, NOW + 5)
    assert list(claimed.jobs) == [replace(job, state=State.RUNNING, attempt=1, started_at=NOW + 5, version=2)]
    assert (await store.claim("w", 1, 30, NOW + 5)).jobs == []


async def test_a_claim_takes_no_more_than_its_limit(store: JobStore) -> None:
    for _ in range(3):
        await store.add(make_job())
    assert len((await store.claim("w", 2, 30, NOW)).jobs) == 2
    assert len((await store.claim("w", 0, 30, NOW)).jobs) == 0
    assert len((await store.claim("w", 2, 30, NOW)).jobs) == 1


async def test_a_job_of_the_future_waits_for_its_time(store: JobStore) -> None:
    for seconds in (20, 10):
        await store.add(make_job(run_at=NOW + seconds, priority=100))
    await store.add(make_job())
    claimed = await store.claim("w", 10, 30, NOW)
    assert len(claimed.jobs) == 1
    assert claimed.next_run_at == NOW + 10
    assert [job.run_at for job in (await store.claim("w", 10, 30, NOW + 10)).jobs] == [NOW + 10]
    claimed = await store.claim("w", 10, 30, NOW + 20)
    assert [job.run_at for job in claimed.jobs] == [NOW + 20]
    assert claimed.next_run_at is None


async def test_concurrent_claims_share_the_jobs(store: JobStore) -> None:
    for _ in range(20):
        await store.add(make_job())
    claims = await asyncio.gather(*(store.claim(f"w{number}", 3, 30, NOW) for number in range(8)))
    started = [job.id for claimed in claims for job in claimed.jobs]
    assert len(started) == len(set(started)) == 20


# Facts and care


async def test_stats_count_jobs_by_state_and_tell_the_oldest(store: JobStore) -> None:
    assert dict((await store.stats(NOW)).jobs) == dict.fromkeys(State, 0)
    assert (await store.stats(NOW)).oldest_runnable_age_seconds == 0
    for job in (make_job(), make_job(run_at=NOW + 3), make_job(run_at=NOW + 100)):
        await store.add(job)
    await store.claim("w", 1, 30, NOW + 1)
    stats = await store.stats(NOW + 10)
    assert stats.jobs == dict.fromkeys(State, 0) | {State.QUEUED: 2, State.RUNNING: 1}
    assert stats.oldest_runnable_age_seconds == 7
    assert stats.oldest_running_age_seconds == 9
    assert (await store.stats(NOW + 2)).oldest_runnable_age_seconds == 0


async def test_stats_tell_how_long_a_lease_has_been_over(store: JobStore, clock: ManualClock) -> None:
    await store.add(make_job())
    await store.claim("w", 1, 30, NOW)
    clock.seconds += 29
    assert (await store.stats(NOW)).lease_overdue_seconds == 0
    clock.seconds += 8
    assert (await store.stats(NOW)).lease_overdue_seconds == 7
    await store.claim("other", 1, 30, NOW)
    assert (await store.stats(NOW)).lease_overdue_seconds == 0


async def test_prune_deletes_old_ended_jobs_up_to_its_limit(store: JobStore) -> None:
    for _ in range(5):
        await store.add(make_job())
    jobs = list((await store.claim("w", 4, 30, NOW)).jobs)
    for number, job in enumerate(jobs):
        await store.finish("w", end(job, finished_at=NOW + number))
    assert await store.prune(NOW + 3, 2) == 2
    assert await store.prune(NOW + 3, 2) == 1
    assert await store.prune(NOW + 3, 2) == 0
    assert (await store.get(jobs[3].id, "dev")).state is State.SUCCEEDED
    with pytest.raises(JobNotFound):
        await store.get(jobs[0].id, "dev")
    stats = await store.stats(NOW)
    assert (stats.jobs[State.SUCCEEDED], stats.jobs[State.QUEUED]) == (1, 1)


async def test_a_store_in_order_says_so(store: JobStore) -> None:
    await store.check()


# Waking


async def test_a_submission_wakes_who_waits(store: JobStore) -> None:
    await store.wait(0)
    waiter = asyncio.create_task(store.wait(3600))
    await store.add(make_job())
    await asyncio.wait_for(waiter, 30)


async def test_a_wake_up_that_came_before_the_wait_counts(store: JobStore) -> None:
    await store.add(make_job())
    await asyncio.wait_for(store.wait(3600), 30)


@pytest.mark.parametrize("outcome", [Outcome.RELEASED, Outcome.RETRIED])
async def test_a_job_that_comes_back_at_once_wakes_who_waits(store: JobStore, outcome: Outcome) -> None:
    await store.add(make_job())
    (job,) = (await store.claim("w", 1, 30, NOW)).jobs
    await store.wait(0)
    waiter = asyncio.create_task(store.wait(3600))
    await store.finish("w", end(job, outcome, retry_at=NOW + 1))
    await asyncio.wait_for(waiter, 30)


async def test_a_wait_ends_after_its_time(store: JobStore) -> None:
    await asyncio.wait_for(store.wait(0.01), 30)
