"""What every `JobStore` promises about idempotency keys: one job per key, stored with it or not at all."""

import asyncio
from dataclasses import replace

import pytest

from service.domain.job import IdempotencyConflict, JobNotFound, Outcome, QueueFull, State
from service.domain.ports import IdempotencyKey, JobStore
from tests.store.conftest import OpenStore
from tests.store.making import NOW, end, make_job


def key(value: str = "k", fingerprint: str = "f", since: float = NOW - 60) -> IdempotencyKey:
    return IdempotencyKey(value=value, fingerprint=fingerprint, since=since)


async def queued(store: JobStore) -> int:
    return (await store.stats(NOW)).jobs[State.QUEUED]


async def test_a_repeated_submission_gives_the_first_job_as_it_is_now(store: JobStore) -> None:
    first = make_job()
    assert (await store.add(first, key())).earlier is None
    assert (await store.add(make_job(), key())).earlier == first
    (running,) = (await store.claim("w", 1, 30, NOW)).jobs
    await store.finish("w", end(running, result=7))
    earlier = (await store.add(make_job(), key())).earlier
    assert earlier == await store.get(first.id, "dev")
    assert earlier is not None
    assert (earlier.state, earlier.result, len(earlier.attempts)) == (State.SUCCEEDED, 7, 1)
    assert sum((await store.stats(NOW)).jobs.values()) == 1


async def test_another_submission_with_the_same_key_is_refused_and_stores_nothing(store: JobStore) -> None:
    await store.add(make_job(), key())
    with pytest.raises(IdempotencyConflict):
        await store.add(make_job(), key(fingerprint="other"))
    assert await queued(store) == 1


async def test_a_key_belongs_to_its_user(store: JobStore) -> None:
    await store.add(make_job(), key())
    assert (await store.add(make_job(user_id="other"), key(fingerprint="g"))).earlier is None
    assert await queued(store) == 2


async def test_different_keys_make_different_jobs(store: JobStore) -> None:
    for value in ("k", "K", "k ", ""):
        assert (await store.add(make_job(), key(value))).earlier is None
    assert await queued(store) == 4


async def test_a_forgotten_key_makes_a_new_job_and_is_then_known_again(store: JobStore) -> None:
    old, new = make_job(created_at=NOW - 61), make_job()
    await store.add(old, key(since=NOW - 120))
    assert (await store.add(new, key(fingerprint="other"))).earlier is None
    assert (await store.add(make_job(), key(fingerprint="other"))).earlier == new
    assert (await store.get(old.id, "dev")) == old
    assert await queued(store) == 2


async def test_submissions_at_once_with_one_key_make_one_job(store: JobStore) -> None:
    jobs = [make_job() for _ in range(20)]
    receipts = await asyncio.gather(*(store.add(job, key()) for job in jobs))
    made = [job for job, receipt in zip(jobs, receipts, strict=True) if receipt.earlier is None]
    assert len(made) == 1
    assert [receipt.earlier for receipt in receipts if receipt.earlier] == made * 19
    assert await queued(store) == 1


async def test_a_full_queue_still_gives_the_job_of_a_known_key(open_store: OpenStore) -> None:
    store = await open_store(max_queued=1)
    job = make_job()
    await store.add(job, key())
    assert (await store.add(make_job(), key())).earlier == job
    with pytest.raises(IdempotencyConflict):
        await store.add(make_job(), key(fingerprint="other"))
    with pytest.raises(QueueFull):
        await store.add(make_job(), key("new"))
    await store.claim("w", 1, 30, NOW)
    assert (await store.add(make_job(), key("new"))).earlier is None


async def test_a_key_is_deleted_with_its_job(store: JobStore) -> None:
    first = make_job()
    await store.add(first, key())
    (running,) = (await store.claim("w", 1, 30, NOW)).jobs
    await store.finish("w", end(running, Outcome.SUCCEEDED))
    assert await store.prune(NOW + 60, 10) == 1
    assert (await store.add(make_job(), key(fingerprint="other"))).earlier is None
    with pytest.raises(JobNotFound):
        await store.get(first.id, "dev")


async def test_keys_and_jobs_without_any_share_a_commit(store: JobStore) -> None:
    without = [make_job() for _ in range(3)]
    keyed = [make_job() for _ in range(3)]
    adds = [store.add(job) for job in without] + [store.add(job, key(job.id)) for job in keyed]
    assert [receipt.earlier for receipt in await asyncio.gather(*adds)] == [None] * 6
    for job in (*without, *keyed):
        assert await store.get(job.id, "dev") == replace(job)
