"""What the inside needs from outside: a store for jobs, an observer to tell, and handlers that do the work.

Each port has two implementations: the stores `sqlite` and `memory` (one contract test runs over both), the observer of
`telemetry` and the recording one of the tests.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from service.domain.job import Job, Outcome, Settlement, State

Clock = Callable[[], float]
"""Wall time, in seconds since the Unix epoch."""

Hold = Callable[[str, int], None]
"""Told the id and the run of a job whose lease is held from now on. May be called from any thread."""

Resource = TypeVar("Resource")


class Shared(Protocol):
    """Gives a handler what it shares with other attempts of this process: made at first use, closed with the worker."""

    async def __call__(self, factory: Callable[[], AbstractAsyncContextManager[Resource]]) -> Resource: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a handler may know beside its payload."""

    job_id: str
    attempt: int  # from 1
    max_attempts: int
    timeout_seconds: float
    shared: Shared
    options: Mapping[str, Any]  # plain values from the settings


Handler = Callable[[Mapping[str, Any], Context], Awaitable[Any]]
"""Runs one attempt: payload and context in, JSON out. Raises to fail; `NonRetryable` to fail for good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of job: its name, its payload's Pydantic model (which the domain only passes along), and its handler."""

    name: str
    payload: type[Any]
    handler: Handler


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyKey:
    """A user's name for one submission, so that it may be sent again without making a second job."""

    value: str
    fingerprint: str  # the same for the same submission, and for no other
    since: float  # a key stored before this time is forgotten


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """How a job became durable: rows that shared its commit, and how long it waited for that commit's start."""

    batch_size: int
    waited_seconds: float
    earlier: Job | None = None  # the job that the same key made before, as it is now; then nothing was stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """The answer to a claim."""

    jobs: Sequence[Job]  # started: state running, attempt counted, lease held by the claimer
    expired: Sequence[Job] = ()  # lost their worker; as they stand now: queued again, failed or cancelled
    next_run_at: float | None = None  # when the earliest job not yet due becomes so; None: none waits


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A page of one user's jobs, newest first. `cursor` is an opaque value from an earlier page."""

    user_id: str
    state: State | None = None
    kind: str | None = None
    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    items: Sequence[Job]
    next: str | None  # None: the last page


class BadCursor(ValueError):
    """A cursor that no page gave out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """Facts of the whole database, the same whichever worker is asked."""

    jobs: Mapping[State, int]
    oldest_runnable_age_seconds: float = 0.0  # 0: none is runnable
    oldest_running_age_seconds: float = 0.0  # 0: none is running
    lease_overdue_seconds: float = 0.0  # how long a lease has been over without anybody taking the job; 0: none is
    database_size_bytes: int = 0
    wal_size_bytes: int = 0
    disk_free_bytes: int = 0


class JobStore(Protocol):
    """Durable jobs. Every method raises `StorageUnavailable` when the storage cannot serve.

    A lease belongs to (owner, run): whoever no longer holds it can change nothing ("fencing"). How time is measured for
    leases is the store's own business, so that a step of the wall clock expires none.
    """

    async def add(self, job: Job, key: IdempotencyKey | None = None) -> Receipt:
        """Make a new queued job durable, and its key with it, in one transaction. Raises `QueueFull` when as many are
        queued as may be, and `IdempotencyConflict` when the key belongs to a different submission."""

    async def get(self, job_id: str, user_id: str) -> Job:
        """The job with its attempts. Raises `JobNotFound`, for another user's job too."""

    async def list(self, query: Query) -> Page:
        """A page of jobs with their attempts. Raises `BadCursor`."""

    async def cancel(self, job_id: str, user_id: str, now: float) -> Job:
        """Cancel a queued job at once, ask a running one to end; a terminal or already asked one stays unchanged."""

    async def redrive(self, job_id: str, user_id: str, now: float) -> Job:
        """Queue a failed job again with fresh attempts. Raises `NotFailed` for any other."""

    def watch(self, job_id: str, changed: Callable[[], None]) -> AbstractContextManager[None]:
        """While entered, `changed` is called soon after each change of the job, whichever process makes it; sometimes
        also without one. Nothing is missed by who enters first, then reads, then waits."""

    async def claim(
        self, owner: str, limit: int, lease_seconds: float, now: float, hold: Hold | None = None
    ) -> Claimed:
        """Requeue or end jobs whose lease expired, then start up to `limit` due jobs for `owner`: highest priority
        first, then the longest due.

        `hold` is called for each that is started, once that is durable, from whatever thread makes it so: the event
        loop may stand still by then, and until it gets the answer nobody else would know whose leases to renew."""

    async def finish(self, owner: str, settlement: Settlement) -> Outcome | None:
        """Settle an attempt. Returns the outcome as stored, or None when `owner` no longer holds that run's lease.

        It differs from the one reported when a cancel came first: a job then does not go back to the queue."""

    def heartbeat(self, owner: str, held: Mapping[str, int], lease_seconds: float) -> frozenset[str]:
        """Renew leases, given as run by job id; returns the ids that `owner` no longer holds.

        Blocks: it is called from a thread, so that a stalled event loop loses no lease."""

    async def cancellations(self, owner: str) -> frozenset[str]:
        """Ids of the running jobs of `owner` whose cancel was requested."""

    async def wait(self, seconds: float) -> None:
        """Return when jobs may have become claimable, or after `seconds`."""

    async def prune(self, before: float, limit: int) -> int:
        """Delete up to `limit` jobs that ended before that time; returns how many."""

    async def stats(self, now: float) -> Stats: ...

    async def check(self) -> None:
        """Return if a job could be stored now. Raises `StorageUnavailable` with the reason."""


class StoreObserver(Protocol):
    """Told by a store about its commits, from whatever thread commits."""

    def committed(self, seconds: float, batch_size: int) -> None:
        """`seconds`: from the write lock taken to the commit durable; `batch_size`: operations in it."""

    def busy(self) -> None:
        """Another process held the database although the lock was ours."""

    def event(self, message: str, level: int = ..., **facts: Any) -> None:
        """Something worth a log line; `level` as in the standard `logging`."""


class SubmissionObserved(Protocol):
    def durable(self, receipt: Receipt) -> None: ...


class AttemptObserved(Protocol):
    @property
    def trace_id(self) -> str | None: ...

    def settled(self, outcome: Outcome | None, settlement: Settlement, error: BaseException | None) -> None:
        """The end of an attempt as stored; `outcome` None: the finish came too late and was refused."""


class JobObserver(Protocol):
    """Told by the queue and the worker what happens, so that telemetry stands at the edge."""

    def submission(self, job: Job) -> AbstractContextManager[SubmissionObserved]:
        """Around the durable insert. An exception that leaves it is the submission's outcome."""

    def attempt(self, job: Job) -> AbstractContextManager[AttemptObserved]:
        """Around one attempt, from its claim to its settlement; entered and left in the attempt's own task."""

    def lease_expired(self, job: Job) -> None:
        """`job` as it stands after its lease expired."""

    def slots(self, busy: int, free: int) -> None: ...

    def event(self, message: str, level: int = ..., **facts: Any) -> None:
        """Something worth a log line; `level` as in the standard `logging`. `error=` takes an exception."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLimits:
    """How a worker behaves, in seconds and counts; the defaults are those of the settings."""

    concurrency: int = 16
    lease_seconds: float = 30.0
    drain_seconds: float = 20.0
    poll_seconds: float = 1.0
    cancel_grace_seconds: float = 5.0  # for a handler that was cancelled; after it the slot is taken back
    options: Mapping[str, Any] = field(default_factory=dict)
