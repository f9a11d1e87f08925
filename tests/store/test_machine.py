"""Both stores in lockstep: Hypothesis gives them the same commands in any order, and a `Model` judges the answers.

The commands are the same in each run; `CI_FULL=1` gives many more, and others each time.
"""

import asyncio
import os
import shutil
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from hypothesis import HealthCheck, settings, stateful
from hypothesis import strategies as st
from hypothesis.stateful import initialize, multiple, precondition, rule

from service.domain.job import NEXT_STATE, TRANSITIONS, DomainError, Job, NotFailed, Outcome, Settlement, State
from service.domain.ports import IdempotencyKey, JobStore, Query
from service.store.memory import MemoryJobStore
from service.store.sqlite import open_sqlite_store
from tests.store.making import NOW, ManualClock, make_job
from tests.store.model import Model, Run

FULL = os.environ.get("CI_FULL") == "1"
SETTINGS = settings(
    max_examples=2000 if FULL else 200,
    stateful_step_count=50,
    derandomize=not FULL,
    print_blob=True,
    report_multiple_bugs=False,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
MAX_QUEUED = 4
KEY_SECONDS = 30.0
USERS = ("dev", "other")
ENDED = [state for state in State if state.terminal]
PAGE = 3

INTERESTING = {
    *(f"{before} to {after}" for before in State for after in TRANSITIONS[before]),
    *(f"attempt {outcome}" for outcome in Outcome),
    *("key replayed", "key in conflict", "key forgotten", "queue full", "pruned"),
    *("refused for the owner", "refused for the number", "finished late", "cancelled instead"),
    *("live lease after a step of the wall clock", "due before a step of the wall clock"),
}

jobs = stateful.Bundle[str]("jobs")  # ids, also of jobs long deleted
users = st.sampled_from(["dev", "dev", "dev", "other"])
owners = st.sampled_from(["one", "two"])
outcomes = st.sampled_from(list(NEXT_STATE))
numbers = st.lists(st.integers(1, 3), min_size=1, max_size=3)
lease_seconds = st.sampled_from([10.0, 30.0])
steps = st.sampled_from([0.0, 0.0, -3600.0, -15.0, 15.0, 3600.0])
strangers = st.builds(Run, jobs, owners, st.integers(1, 6))  # or a worker that held the lease once
holders = st.runner().flatmap(lambda stores: st.sampled_from([run for run, _ in stores.model.leases.values()]))
ended = st.runner().flatmap(lambda stores: st.sampled_from([job.id for job in stores.model.those(*ENDED)]))


class Stores(stateful.RuleBasedStateMachine):
    empty: ClassVar[Path]  # a migrated database
    reached: ClassVar[Counter[str]]

    def __init__(self) -> None:
        super().__init__()
        self.now, self.latest, self.clock, self.made = NOW, NOW, ManualClock(), 0
        self.model = Model(MAX_QUEUED, self.reached)
        self.runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self.opened = AsyncExitStack()
        path = Path(shutil.copy(self.empty, self.opened.enter_context(TemporaryDirectory())))
        options: dict[str, Any] = {"lease_clock": self.clock, "max_queued": MAX_QUEUED}
        sqlite = self.opened.enter_async_context(open_sqlite_store(path, synchronous="NORMAL", **options))
        self.stores: list[JobStore] = [MemoryJobStore(**options), self.runner.run(sqlite)]

    def teardown(self) -> None:
        self.runner.run(self.opened.aclose())
        self.runner.close()

    def both(self, ask: Callable[[JobStore], Awaitable[Any]]) -> Any:
        """The answer, or the type of the refusal, which both stores must give."""

        async def answer(store: JobStore) -> Any:
            try:
                return await ask(store)
            except DomainError as refusal:
                return type(refusal)

        async def answers() -> list[Any]:
            return [await answer(store) for store in self.stores]

        memory, sqlite = self.runner.run(answers())
        assert memory == sqlite
        return memory

    @stateful.invariant()
    def agree(self) -> None:
        async def everything(store: JobStore) -> Any:
            shown = [await every_page(store, user) for user in USERS]
            for job in [page[0] for pages in shown for page in pages if page]:
                assert job == await store.get(job.id, job.user_id)
            stats = await store.stats(self.now)
            return shown, stats.jobs, stats.oldest_runnable_age_seconds, stats.oldest_running_age_seconds

        shown, counts, *_ = self.both(everything)
        for user, pages in zip(USERS, shown, strict=True):
            jobs = [job for page in pages for job in page]
            assert [job.id for job in jobs] == [job.id for job in self.model.jobs.values() if job.user_id == user][::-1]
            assert [len(page) for page in pages[:-1]] == [PAGE] * (len(pages) - 1)
            for job in jobs:
                self.model.see(job)
        assert counts == {state: len(self.model.those(state)) for state in State}

    @initialize(target=jobs, max_attempts=numbers, cancel=st.booleans(), late=st.booleans(), outcome=outcomes)
    def begin(self, max_attempts: list[int], cancel: bool, late: bool, outcome: Outcome) -> Any:
        """Some work for all: Hypothesis leaves out some rules in each example, often those that make work."""
        keys = ("k", "l", None)
        ids = [self.add("dev", key, "f", 0.0, 0, number) for key, number in zip(keys, max_attempts, strict=False)]
        self.claim("one", 2, 10.0)
        if cancel:
            self.cancel("job-1", "dev")
        if late:
            self.pass_time(11.0, 0.0)
        self.finish(Run("job-1", "one", 2), outcome, 0.0)
        return multiple(*ids)

    @rule(seconds=st.sampled_from([10.0, 11.0, 31.0]), step=steps)
    def pass_time(self, seconds: float, step: float) -> None:
        """`step`: somebody sets the wall clock."""
        self.clock.seconds += seconds
        self.now += seconds + step
        self.latest = max(self.latest, self.now)

    # What users do

    @rule(
        target=jobs,
        user=users,
        key=st.sampled_from([None, "k", "l"]),
        fingerprint=st.sampled_from(["f", "f", "g"]),
        delay=st.sampled_from([0.0, 0.0, 20.0]),
        priority=st.integers(-1, 1),
        max_attempts=st.integers(1, 3),
    )
    def add(self, user: str, key: str | None, fingerprint: str, delay: float, priority: int, max_attempts: int) -> Any:
        self.made += 1
        run_at = self.now + delay
        times = {"created_at": self.now, "run_at": run_at, "runnable_at": run_at}
        fields = {"user_id": user, "priority": priority, "max_attempts": max_attempts, "trace_id": "submission"}
        job = make_job(id=f"job-{self.made}", **fields, **times)
        sent = IdempotencyKey(value=key, fingerprint=fingerprint, since=self.now - KEY_SECONDS) if key else None

        async def add(store: JobStore) -> Job | None:
            return (await store.add(job, sent)).earlier

        expected = self.model.add(job, sent)
        assert self.both(add) == expected
        return job.id if expected is None else multiple()

    @rule(job_id=jobs, user=users)
    def cancel(self, job_id: str, user: str) -> None:
        before = self.model.get(job_id, user)
        after = self.both(lambda store: store.cancel(job_id, user, self.now))
        if isinstance(before, Job) and not before.state.terminal:
            assert after.state is State.CANCELLED or after.cancel_requested
            self.model.see(after)
        else:
            assert after == before

    @precondition(lambda self: self.model.those(*ENDED))
    @rule(job_id=ended | jobs, user=users)
    def redrive(self, job_id: str, user: str) -> None:
        before = self.model.get(job_id, user)
        after = self.both(lambda store: store.redrive(job_id, user, self.now))
        if isinstance(before, Job) and before.state is State.FAILED:
            assert (after.state, after.run_at) == (State.QUEUED, self.now)
            self.model.see(after)
        else:
            assert after is (NotFailed if isinstance(before, Job) else before)

    # What workers do

    @rule(owner=owners, limit=st.integers(0, 3), seconds=lease_seconds)
    def claim(self, owner: str, limit: int, seconds: float) -> None:
        async def claim(store: JobStore) -> Any:
            claimed = await store.claim(owner, limit, seconds, self.now)
            return list(claimed.jobs), sorted(claimed.expired, key=lambda job: job.id), claimed.next_run_at

        started, expired, _ = self.both(claim)
        assert {job.id: job.state for job in expired} == self.model.expire(self.clock())
        stepped = self.now - NOW != self.clock() - ManualClock().seconds
        self.reached["live lease after a step of the wall clock"] += stepped and bool(self.model.leases)
        for job in [*expired, *started]:
            self.model.see(job, whole=False)
        self.model.leases |= {job.id: (Run(job.id, owner, job.run), self.clock() + seconds) for job in started}
        left = [job for job in self.model.those(State.QUEUED) if job.run_at <= self.now]
        ranks, rest = ([(-job.priority, job.run_at) for job in some] for some in (started, left))
        assert ranks + sorted(rest) == sorted(ranks + rest), "the highest priority first, then the longest due"
        assert len(started) == limit or (len(started) < limit and not left)
        assert all(job.run_at <= self.latest for job in started)
        self.reached["due before a step of the wall clock"] += any(job.run_at > self.now for job in started)

    @precondition(lambda self: self.model.leases)
    @rule(run=holders | strangers, outcome=outcomes, delay=st.sampled_from([None, 0.0, 20.0]))
    def finish(self, run: Run, outcome: Outcome, delay: float | None) -> None:
        settlement = Settlement(
            job_id=run.job_id,
            run=run.number,
            outcome=outcome,
            finished_at=self.now,
            result=["done"],
            error="boom" if outcome in (Outcome.RETRIED, Outcome.FAILED) else None,
            retry_at=None if delay is None else self.now + delay,
            trace_id="run",
        )
        stored = self.both(lambda store: store.finish(run.owner, settlement))
        if not self.model.holds(run):
            assert stored is None
            return
        _, until = self.model.leases.pop(run.job_id)
        instead = NEXT_STATE[outcome] is State.QUEUED and self.model.jobs[run.job_id].cancel_requested
        assert stored is (Outcome.CANCELLED if instead else outcome)
        self.reached["cancelled instead"] += instead
        self.reached["finished late"] += until < self.clock()

    @precondition(lambda self: self.model.leases)
    @rule(run=holders | strangers, seconds=lease_seconds)
    def heartbeat(self, run: Run, seconds: float) -> None:
        async def beat(store: JobStore) -> Any:
            lost = store.heartbeat(run.owner, {run.job_id: run.number}, seconds)
            return lost, await store.cancellations(run.owner)

        lost, asked = self.both(beat)
        if self.model.holds(run):
            self.model.leases[run.job_id] = (run, self.clock() + seconds)
        assert lost == ({run.job_id} if not self.model.holds(run) else set())
        held = [self.model.jobs[other.job_id] for other, _ in self.model.leases.values() if other.owner == run.owner]
        assert asked == {job.id for job in held if job.cancel_requested}

    @precondition(lambda self: self.model.those(*ENDED))
    @rule(age=st.sampled_from([-1.0, 0.0, 20.0]), limit=st.integers(0, 2))
    def prune(self, age: float, limit: int) -> None:
        before = self.now - age
        assert self.both(lambda store: store.prune(before, limit)) == self.model.prune(before, limit)


async def every_page(store: JobStore, user: str) -> list[list[Job]]:
    page = await store.list(Query(user_id=user, limit=PAGE))
    pages = [list(page.items)]
    while page.next:
        page = await store.list(Query(user_id=user, limit=PAGE, cursor=page.next))
        pages.append(list(page.items))
    return pages


def test_both_stores_answer_alike_and_keep_every_promise(migrated: Path) -> None:
    class Machine(Stores):
        empty, reached = migrated, Counter()

    stateful.run_state_machine_as_test(Machine, settings=SETTINGS)
    assert not INTERESTING - set(+Machine.reached)
