"""/jobs/{id}/events: the states of a job as they come, as server-sent events.

An event's id is the job's version, so any process can resume a stream that another one began.
"""

import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi.responses import StreamingResponse

from service.domain.job import Job, JobNotFound, StorageUnavailable
from service.domain.queue import JobQueue

QUIET_SECONDS = 15.0
"""After so long without an event a comment is sent: proxies end connections that look dead, and a client that is gone
is noticed."""

EVENT: dict[str, Any] = {
    "type": "object",
    "required": ["id", "data"],
    "properties": {
        "id": {"type": "string", "pattern": "^[0-9]+$", "description": "the job's version"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {
                "type": "object",
                "additionalProperties": False,
                "required": ["state", "version", "attempt"],
                "properties": {
                    "state": {"$ref": "#/components/schemas/State"},
                    "version": {"type": "integer"},
                    "attempt": {"type": "integer"},
                },
            },
        },
    },
}
"""The schema of one event: OpenAPI 3.1 has no word for a stream of them, and tools take it so."""


class EventStream(StreamingResponse):
    """`seen`: the version that the client has; None: nothing. (FastAPI's own would add a task and a queue a stream.)"""

    media_type = "text/event-stream"

    def __init__(self, queue: JobQueue, job_id: str, user_id: str, seen: int | None) -> None:
        headers = {
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
        }  # neither caches nor proxies keep events back
        super().__init__(_events(queue, job_id, user_id, seen), headers=headers)


async def _events(queue: JobQueue, job_id: str, user_id: str, seen: int | None) -> AsyncIterator[bytes]:
    told = None
    try:
        async for job in queue.follow(job_id, user_id, seen=seen, quiet_seconds=QUIET_SECONDS):
            if job is None:
                yield b": still here\n\n"
            elif (job.state, job.attempt) != told:  # a cancel that was asked for is a new version in the same state
                told = (job.state, job.attempt)
                yield _event(job)
    except (JobNotFound, StorageUnavailable):
        return  # the stream ends; the client comes back with its last id, and is told the reason by a status


def _event(job: Job) -> bytes:
    data = {"state": job.state, "version": job.version, "attempt": job.attempt}
    return f"id: {job.version}\ndata: {json.dumps(data)}\n\n".encode()
