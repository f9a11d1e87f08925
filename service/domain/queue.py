"""What the API may do with jobs: submit, get, list, cancel. The rest of a job's life is the worker's."""

import secrets
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.domain.job import Job
from service.domain.ports import Clock, JobObserver, JobStore, Page, Query


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
    request_id: str | None = None
    trace_id: str | None = None
    traceparent: str | None = None


class JobQueue:
    def __init__(self, store: JobStore, observer: JobObserver, *, clock: Clock = time.time) -> None:
        self._store = store
        self._observer = observer
        self._clock = clock

    async def submit(self, submission: Submission) -> Job:
        """Returns once the job is durable. Raises `QueueFull` or `StorageUnavailable`, and then nothing is stored."""
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
        with self._observer.submission(job) as observed:
            observed.durable(await self._store.add(job))
        return job

    async def get(self, job_id: str, user_id: str) -> Job:
        return await self._store.get(job_id, user_id)

    async def list(self, query: Query) -> Page:
        return await self._store.list(query)

    async def cancel(self, job_id: str, user_id: str) -> Job:
        return await self._store.cancel(job_id, user_id, self._clock())


def new_id(now: float) -> str:
    """A UUIDv7: 48 bits of milliseconds, 12 bits of their fraction, 62 random bits; sorts by time. RFC 9562, 5.7 and
    6.2 method 3."""
    milliseconds, fraction = divmod(int(now * 1000 * 4096), 4096)
    value = (milliseconds & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | secrets.randbits(62)
    return str(uuid.UUID(int=value))
