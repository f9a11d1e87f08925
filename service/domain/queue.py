"""What the API may do with jobs: submit, get, list, cancel, redrive, and wait for them. The rest is the worker's."""

import asyncio
import hashlib
import json
import secrets
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from service.domain.job import Job
from service.domain.ports import Clock, IdempotencyKey, JobObserver, JobStore, Page, Query


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A valid request for a job, and who made it."""

    kind: str
    payload: Mapping[str, Any]
    user_id: str
    priority: int = 0
    run_at: float | None = None  # None, or a time already past: now
    max_attempts: int = 5
    timeout_seconds: float = 60.0
    idempotency_key: str | None = None
    request_id: str | None = None
    trace_id: str | None = None
    traceparent: str | None = None


class JobQueue:
    """`idempotency_seconds`: how long a key keeps a repeated submission from making a second job."""

    def __init__(
        self,
        store: JobStore,
        observer: JobObserver,
        *,
        idempotency_seconds: float = 86_400.0,
        clock: Clock = time.time,
    ) -> None:
        self._store = store
        self._observer = observer
        self._idempotency_seconds = idempotency_seconds
        self._clock = clock
        self._waiting: set[asyncio.Event] = set()
        self._dismissed = False

    async def submit(self, submission: Submission) -> Job:
        """Returns once the job is durable: a new one, or the one that the same key made before.

        Raises `QueueFull`, `IdempotencyConflict` or `StorageUnavailable`, and then nothing is stored."""
        now = self._clock()
        run_at = max(now, submission.run_at or now)
        job = Job(
            id=new_id(now),
            kind=submission.kind,
            payload=submission.payload,
            user_id=submission.user_id,
            created_at=now,
            run_at=run_at,
            runnable_at=run_at,
            priority=submission.priority,
            max_attempts=submission.max_attempts,
            timeout_seconds=submission.timeout_seconds,
            request_id=submission.request_id,
            trace_id=submission.trace_id,
            traceparent=submission.traceparent,
        )
        key = None
        if submission.idempotency_key is not None:
            since = now - self._idempotency_seconds
            key = IdempotencyKey(value=submission.idempotency_key, fingerprint=fingerprint(submission), since=since)
        with self._observer.submission(job) as observed:
            receipt = await self._store.add(job, key)
            observed.durable(receipt)
        return receipt.earlier or job

    async def get(self, job_id: str, user_id: str) -> Job:
        return await self._store.get(job_id, user_id)

    async def list(self, query: Query) -> Page:
        return await self._store.list(query)

    async def cancel(self, job_id: str, user_id: str) -> Job:
        return await self._store.cancel(job_id, user_id, self._clock())

    async def redrive(self, job_id: str, user_id: str) -> Job:
        return await self._store.redrive(job_id, user_id, self._clock())

    # Waiting. Nobody polls the store: it says when a job may have changed.

    async def wait(self, job_id: str, user_id: str, seconds: float) -> Job:
        """The job as soon as it is terminal; as it is when the time is over or everybody is dismissed."""
        over_at = time.monotonic() + seconds
        with self._watching(job_id) as changed:
            while True:
                changed.clear()
                job = await self._store.get(job_id, user_id)
                left = over_at - time.monotonic()
                if job.state.terminal or self._dismissed or left <= 0:
                    return job
                await _is_set(changed, left)

    async def follow(
        self, job_id: str, user_id: str, *, seen: int | None, quiet_seconds: float
    ) -> AsyncIterator[Job | None]:
        """The job as it is, unless that is version `seen`, and as it is after each change; None after each time that
        nothing changed for so long. Ends when the job is terminal or everybody is dismissed. Changes in quick
        succession may show as one."""
        with self._watching(job_id) as changed:
            while True:
                changed.clear()
                job = await self._store.get(job_id, user_id)
                if job.version != seen:
                    seen = job.version
                    yield job
                if job.state.terminal or self._dismissed:
                    return
                while not await _is_set(changed, quiet_seconds):
                    yield None

    def dismiss_waiting(self) -> None:
        """Whoever waits, now or later, is answered at once with what is true then: the process is about to stop."""
        self._dismissed = True
        for changed in self._waiting:
            changed.set()

    @contextmanager
    def _watching(self, job_id: str) -> Iterator[asyncio.Event]:
        changed = asyncio.Event()
        self._waiting.add(changed)
        try:
            with self._store.watch(job_id, changed.set):
                yield changed
        finally:
            self._waiting.discard(changed)


async def _is_set(event: asyncio.Event, seconds: float) -> bool:
    """Whether it is set within that time."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


def fingerprint(submission: Submission) -> str:
    """What tells submissions apart, however they are spelled: SHA-256 of all that is asked for, defaults filled in."""
    asked = (
        submission.kind,
        submission.payload,
        submission.priority,
        submission.run_at,
        submission.max_attempts,
        submission.timeout_seconds,
    )
    return hashlib.sha256(json.dumps(asked, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def new_id(now: float) -> str:
    """A UUIDv7: 48 bits of milliseconds, 12 bits of their fraction, 62 random bits; sorts by time. RFC 9562, 5.7 and
    6.2 method 3."""
    milliseconds, fraction = divmod(int(now * 1000 * 4096), 4096)
    chance = int.from_bytes(secrets.token_bytes(8)) >> 2
    text = f"{milliseconds & 0xFFFF_FFFF_FFFF:012x}{0x7000 | fraction:04x}{0b10 << 62 | chance:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
