"""What every `JobStore` promises about attempts: settling, fencing, cancelling, leases and the history."""

import pytest

from service.domain.job import Attempt, Job, JobNotFound, NotFailed, Outcome, State
from service.domain.ports import JobStore
from tests.store.making import NOW, ManualClock, end, make_job


async def start(store: JobStore, job: Job | None = None, owner: str = "w", now: float = NOW) -> Job:
    """Add a job and claim it."""
    if job is not None:
        await store.add(job)
    (started,) = (await store.claim(owner, 1, 30, now)).jobs
    return started


async def test_a_success_stores_its_result(store: JobStore) -> None:
    job = await start(store, make_job())
    assert await store.finish("w", end(job, result={"n": [1, None]}, trace_id="t")) is Outcome.SUCCEEDED
    stored = await store.get(job.id, "dev")
    assert (stored.state, stored.result, stored.finished_at, stored.version) == (
        State.SUCCEEDED,
        {"n": [1, None]},
        NOW + 1,
        3,
    )
    assert stored.attempts == (
        Attempt(number=1, started_at=NOW, finished_at=NOW + 1, outcome=Outcome.SUCCEEDED, trace_id="t"),
    )


async def test_a_failure_for_good_stores_its_error(store: JobStore) -> None:
    job = await start(store, make_job())
    assert await store.finish("w", end(job, Outcome.FAILED, error="boom \ud800")) is Outcome.FAILED
    stored = await store.get(job.id, "dev")
    assert (stored.state, stored.finished_at) == (State.FAILED, NOW + 1)
    assert stored.error is not None
    assert stored.error.startswith("boom")


async def test_a_failed_attempt_is_retried_after_its_delay(store: JobStore) -> None:
    job = await start(store, make_job())
    assert await store.finish("w", end(job, Outcome.RETRIED, error="boom", retry_at=NOW + 9)) is Outcome.RETRIED
    stored = await store.get(job.id, "dev")
    assert (stored.state, stored.run_at, stored.error, stored.finished_at) == (State.QUEUED, NOW + 9, "boom", None)
    claimed = await store.claim("w", 1, 30, NOW + 8)
    assert (claimed.jobs, claimed.next_run_at) == ([], NOW + 9)
    again = await start(store, now=NOW + 9)
    assert (again.attempt, again.id) == (2, job.id)


async def test_a_success_clears_the_error_of_earlier_attempts(store: JobStore) -> None:
    job = await start(store, make_job())
    await store.finish("w", end(job, Outcome.RETRIED, error="boom", retry_at=NOW))
    await store.finish("w", end(await start(store)))
    stored = await store.get(job.id, "dev")
    assert stored.error is None
    assert [attempt.error for attempt in stored.attempts] == ["boom", None]


async def test_a_release_costs_no_attempt_and_is_due_at_once(store: JobStore) -> None:
    job = await start(store, make_job())
    assert await store.finish("w", end(job, Outcome.RELEASED)) is Outcome.RELEASED
    stored = await store.get(job.id, "dev")
    assert (stored.state, stored.attempt, stored.run_at) == (State.QUEUED, 0, NOW)
    again = await start(store, owner="other")
    assert again.attempt == 1
    attempts = (await store.get(job.id, "dev")).attempts
    assert [(attempt.number, attempt.outcome) for attempt in attempts] == [(1, Outcome.RELEASED), (1, None)]


async def test_a_settlement_by_another_owner_or_of_another_run_is_refused(store: JobStore) -> None:
    job = await start(store, make_job())
    assert await store.finish("thief", end(job)) is None
    assert await store.finish("w", end(job, run=job.run + 1)) is None
    assert await store.finish("w", end(job, job_id="nothing")) is None
    assert (await store.get(job.id, "dev")).version == job.version
    assert await store.finish("w", end(job)) is Outcome.SUCCEEDED
    assert await store.finish("w", end(job)) is None


async def test_a_settlement_after_the_release_is_refused(store: JobStore) -> None:
    job = await start(store, make_job())
    await store.finish("w", end(job, Outcome.RELEASED))
    assert await store.finish("w", end(job)) is None


async def test_a_running_attempt_ends_the_history(store: JobStore) -> None:
    job = await start(store, make_job(trace_id="submission"))
    attempts = (await store.get(job.id, "dev")).attempts
    assert attempts == (Attempt(number=1, started_at=NOW, trace_id="submission"),)


async def test_the_history_is_in_order(store: JobStore) -> None:
    job = await start(store, make_job(trace_id="submission"))
    await store.finish("w", end(job, Outcome.RELEASED))
    await store.finish("w", end(await start(store), Outcome.RETRIED, retry_at=NOW, error="one"))
    await store.finish("w", end(await start(store), Outcome.RETRIED, retry_at=NOW, error="two"))
    await start(store)
    attempts = (await store.get(job.id, "dev")).attempts
    assert [attempt.number for attempt in attempts] == [1, 1, 2, 3]
    assert [attempt.outcome for attempt in attempts] == [Outcome.RELEASED, Outcome.RETRIED, Outcome.RETRIED, None]


# Cancel


async def test_a_queued_job_is_cancelled_at_once(store: JobStore) -> None:
    job = make_job()
    await store.add(job)
    cancelled = await store.cancel(job.id, "dev", NOW + 2)
    assert (cancelled.state, cancelled.finished_at, cancelled.version) == (State.CANCELLED, NOW + 2, 2)
    assert cancelled == await store.get(job.id, "dev")
    assert (await store.claim("w", 1, 30, NOW + 3)).jobs == []


async def test_a_running_job_is_asked_to_end_once(store: JobStore) -> None:
    job = await start(store, make_job())
    assert await store.cancellations("w") == frozenset()
    asked = await store.cancel(job.id, "dev", NOW)
    assert (asked.state, asked.cancel_requested, asked.version) == (State.RUNNING, True, job.version + 1)
    assert asked.attempts[-1].outcome is None
    assert await store.cancel(job.id, "dev", NOW + 9) == asked
    assert await store.cancellations("w") == {job.id}
    assert await store.cancellations("other") == frozenset()
    assert await store.finish("w", end(job, Outcome.CANCELLED)) is Outcome.CANCELLED
    assert await store.cancellations("w") == frozenset()
    assert (await store.get(job.id, "dev")).state is State.CANCELLED


@pytest.mark.parametrize("outcome", [Outcome.RETRIED, Outcome.RELEASED])
async def test_a_job_whose_cancel_was_requested_does_not_go_back_to_the_queue(
    store: JobStore, outcome: Outcome
) -> None:
    job = await start(store, make_job())
    await store.cancel(job.id, "dev", NOW)
    assert await store.finish("w", end(job, outcome, retry_at=NOW)) is Outcome.CANCELLED
    stored = await store.get(job.id, "dev")
    assert (stored.state, stored.attempt, stored.finished_at) == (State.CANCELLED, 1, NOW + 1)
    assert stored.attempts[-1].outcome is Outcome.CANCELLED


@pytest.mark.parametrize("outcome", [Outcome.SUCCEEDED, Outcome.FAILED])
async def test_a_job_that_ended_before_it_heard_of_its_cancel_keeps_its_end(store: JobStore, outcome: Outcome) -> None:
    job = await start(store, make_job())
    await store.cancel(job.id, "dev", NOW)
    assert await store.finish("w", end(job, outcome)) is outcome


async def test_a_cancel_of_an_ended_job_changes_nothing(store: JobStore) -> None:
    job = await start(store, make_job())
    await store.finish("w", end(job))
    before = await store.get(job.id, "dev")
    assert await store.cancel(job.id, "dev", NOW + 9) == before
    assert await store.get(job.id, "dev") == before


# Leases


async def test_a_job_whose_worker_vanished_runs_again(store: JobStore, clock: ManualClock) -> None:
    job = await start(store, make_job(trace_id="submission"))
    clock.seconds += 29
    assert (await store.claim("other", 1, 30, NOW + 29)).jobs == []
    clock.seconds += 2
    claimed = await store.claim("other", 1, 30, NOW + 31)
    (expired,) = claimed.expired
    assert (expired.state, expired.run_at, expired.lease_expired) == (State.QUEUED, NOW + 31, True)
    (again,) = claimed.jobs
    assert (again.id, again.attempt, again.lease_expired) == (job.id, 2, True)
    assert again.version == job.version + 2
    assert await store.finish("w", end(job)) is None
    attempts = (await store.get(job.id, "dev")).attempts
    assert attempts[0] == Attempt(
        number=1,
        started_at=NOW,
        finished_at=NOW + 31,
        outcome=Outcome.LEASE_EXPIRED,
        error="the worker's lease expired",
        trace_id="submission",
    )
    assert again.run_trace_id not in (None, "submission")
    assert (attempts[1].number, attempts[1].trace_id) == (2, again.run_trace_id)


async def test_no_attempt_starts_before_the_one_before_it_ended(store: JobStore, clock: ManualClock) -> None:
    """Two workers look at their clocks and wait for their turn; the one that looked first may come second."""
    job = await start(store, make_job())
    clock.seconds += 31
    late = (await store.claim("w2", 0, 30, NOW + 31)).expired
    assert [each.id for each in late] == [job.id]
    again = (await store.claim("w3", 1, 30, NOW + 30.9)).jobs
    assert [each.started_at for each in again] == [NOW + 31]


async def test_no_attempt_ends_before_it_started(store: JobStore) -> None:
    """The wall clock may step back meanwhile."""
    job = await start(store, make_job())
    assert await store.finish("w", end(job, finished_at=NOW - 3600)) is Outcome.SUCCEEDED
    stored = await store.get(job.id, job.user_id)
    assert (stored.started_at, stored.finished_at) == (NOW, NOW)
    assert stored.attempts[0].finished_at == NOW


async def test_the_mark_of_a_lost_worker_ends_with_the_next_attempt(store: JobStore, clock: ManualClock) -> None:
    await start(store, make_job())
    clock.seconds += 31
    again = await start(store)
    await store.finish("w", end(again, Outcome.RETRIED, retry_at=NOW))
    assert not (await start(store)).lease_expired


async def test_the_last_attempt_lost_its_worker_so_the_job_failed(store: JobStore, clock: ManualClock) -> None:
    job = await start(store, make_job(max_attempts=1))
    clock.seconds += 31
    claimed = await store.claim("w", 1, 30, NOW + 31)
    assert claimed.jobs == []
    assert [expired.state for expired in claimed.expired] == [State.FAILED]
    stored = await store.get(job.id, "dev")
    assert (stored.error, stored.finished_at, stored.attempt) == ("the worker's lease expired", NOW + 31, 1)


async def test_a_cancelled_job_whose_worker_vanished_is_cancelled(store: JobStore, clock: ManualClock) -> None:
    job = await start(store, make_job())
    await store.cancel(job.id, "dev", NOW)
    clock.seconds += 31
    claimed = await store.claim("w", 0, 30, NOW + 31)
    assert [expired.state for expired in claimed.expired] == [State.CANCELLED]
    assert (await store.get(job.id, "dev")).attempts[-1].outcome is Outcome.LEASE_EXPIRED
    assert await store.cancellations("w") == frozenset()


async def test_a_heartbeat_renews_leases_without_a_visible_change(store: JobStore, clock: ManualClock) -> None:
    job = await start(store, make_job())
    clock.seconds += 20
    assert store.heartbeat("w", {job.id: job.run}, 30) == frozenset()
    clock.seconds += 20
    assert (await store.claim("other", 1, 30, NOW)).expired == []
    assert (await store.get(job.id, "dev")).version == job.version


async def test_a_heartbeat_tells_which_leases_are_lost(store: JobStore, clock: ManualClock) -> None:
    kept, taken, ended = [await start(store, make_job()) for _ in range(3)]
    await store.finish("w", end(ended))
    clock.seconds += 20
    store.heartbeat("w", {kept.id: kept.run}, 30)
    clock.seconds += 20
    (again,) = (await store.claim("other", 1, 30, NOW)).jobs
    held = {kept.id: kept.run, taken.id: taken.run, ended.id: ended.run, "nothing": 1}
    assert store.heartbeat("w", held, 30) == {taken.id, ended.id, "nothing"}
    assert store.heartbeat("w", {kept.id: kept.run + 1}, 30) == {kept.id}
    assert store.heartbeat("thief", {kept.id: kept.run}, 30) == {kept.id}
    assert store.heartbeat("other", {taken.id: again.run}, 30) == frozenset()


async def test_a_cancel_that_was_asked_for_takes_no_lease(store: JobStore) -> None:
    job = await start(store, make_job())
    await store.cancel(job.id, "dev", NOW)
    assert store.heartbeat("w", {job.id: job.run}, 30) == frozenset()
    assert await store.finish("w", end(job)) is Outcome.SUCCEEDED


async def test_a_step_of_the_wall_clock_steals_no_live_lease(store: JobStore) -> None:
    job = await start(store, make_job())
    for step in (3600, -3600):
        claimed = await store.claim("other", 1, 30, NOW + step)
        assert (claimed.expired, claimed.jobs) == ([], [])
    assert await store.finish("w", end(job)) is Outcome.SUCCEEDED


# Redrive


async def test_a_failed_job_is_redriven_with_fresh_attempts_and_keeps_its_history(store: JobStore) -> None:
    job = await start(store, make_job(max_attempts=1))
    await store.finish("w", end(job, Outcome.FAILED, error="boom"))
    redriven = await store.redrive(job.id, "dev", NOW + 5)
    assert redriven == await store.get(job.id, "dev")
    assert (redriven.state, redriven.attempt, redriven.version) == (State.QUEUED, 0, 4)
    assert (redriven.run_at, redriven.runnable_at) == (NOW + 5, NOW + 5)
    assert (redriven.started_at, redriven.finished_at) == (None, None)
    again = await start(store, now=NOW + 5)
    assert (again.attempt, again.ran_before) == (1, True)
    await store.finish("w", end(again, Outcome.FAILED, error="boom again"))
    ended = await store.get(job.id, "dev")
    assert [(attempt.number, attempt.error) for attempt in ended.attempts] == [(1, "boom"), (1, "boom again")]
    assert (await store.redrive(job.id, "dev", NOW + 6)).state is State.QUEUED


@pytest.mark.parametrize("outcome", [None, Outcome.SUCCEEDED, Outcome.RETRIED, Outcome.CANCELLED])
async def test_no_other_job_can_be_redriven(store: JobStore, outcome: Outcome | None) -> None:
    job = make_job()
    await store.add(job)
    with pytest.raises(NotFailed):
        await store.redrive(job.id, "dev", NOW)
    started = await start(store)
    if outcome is not None:
        await store.finish("w", end(started, outcome, retry_at=NOW + 9))
    before = await store.get(job.id, "dev")
    with pytest.raises(NotFailed):
        await store.redrive(job.id, "dev", NOW)
    assert await store.get(job.id, "dev") == before


async def test_a_redrive_forgets_a_cancel_that_came_too_late(store: JobStore) -> None:
    job = await start(store, make_job())
    await store.cancel(job.id, "dev", NOW)
    await store.finish("w", end(job, Outcome.FAILED, error="boom"))
    assert (await store.redrive(job.id, "dev", NOW)).cancel_requested is False
    assert await store.finish("w", end(await start(store), Outcome.SUCCEEDED)) is Outcome.SUCCEEDED


async def test_another_users_job_cannot_be_redriven(store: JobStore) -> None:
    job = await start(store, make_job())
    await store.finish("w", end(job, Outcome.FAILED))
    for job_id, user in ((job.id, "other"), ("nothing", "dev")):
        with pytest.raises(JobNotFound):
            await store.redrive(job_id, user, NOW)


async def test_a_run_before_the_redrive_cannot_end_the_one_after_it(store: JobStore, clock: ManualClock) -> None:
    """Both are attempt 1 of the same worker, which has not noticed that it lost the first."""
    lost = await start(store, make_job(max_attempts=1))
    clock.seconds += 31
    await store.claim("other", 0, 30, NOW)
    await store.redrive(lost.id, "dev", NOW)
    again = await start(store)
    assert (again.id, again.attempt) == (lost.id, lost.attempt)
    assert store.heartbeat("w", {lost.id: lost.run}, 30) == {lost.id}
    assert await store.finish("w", end(lost, result="of the first")) is None
    assert await store.finish("w", end(again, result="of the second")) is Outcome.SUCCEEDED
    assert (await store.get(lost.id, "dev")).result == "of the second"
