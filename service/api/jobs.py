"""The jobs routes: /jobs, /jobs/{id}, and below it /cancel, /redrive and /events."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic_core import to_json

from service.api import answers, headers
from service.api.dependencies import queue_of, user_of
from service.api.events import EventStream
from service.api.requests import JobsRoute
from service.api.schemas import Absent, Cursor, JobView, PageView, job_values, payload_of, submission_type
from service.domain import ports
from service.domain.job import Job, JobNotFound, State
from service.domain.ports import Kind
from service.domain.queue import Submission

JOB_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
RETRY_AFTER_SECONDS = "1"
NOT_STORED = {"Cache-Control": "no-store"}  # one user's answers, in no cache

JobId = Annotated[
    str, Path(alias="id", description="a job's UUIDv7", json_schema_extra={"pattern": f"^{JOB_ID.pattern}$"})
]


def jobs_router(kinds: Mapping[str, Kind]) -> APIRouter:
    router = APIRouter(tags=["jobs"], route_class=JobsRoute)
    SubmissionBody: Any = submission_type(kinds.values())  # noqa: N806  types, built at run time
    KnownKind: Any = Literal[tuple(kinds)]  # noqa: N806

    @router.post(
        "/jobs",
        status_code=202,
        response_model=JobView,
        summary="Submit a job",
        responses=answers.SUBMIT,
        openapi_extra=headers.described("Prefer"),
    )
    async def submit(body: SubmissionBody, request: Request) -> Response:
        """The job is on disk before this answers. Then poll its `Location`, not sooner than `Retry-After`; or let this
        answer wait for its end (`Prefer: wait=10`); or follow its events.

        **`Idempotency-Key`**, an optional header: 1 to 255 visible ASCII characters of your choice, new for each
        submission. The same key and submission make one job, however often they are sent; the same key with another
        submission is refused (422)."""
        queue, user_id, state = queue_of(request), user_of(request), request.scope["state"]
        wait = headers.wait_seconds(request)
        job = await queue.submit(
            Submission(
                kind=body.kind,
                payload=payload_of(body),
                user_id=user_id,
                priority=body.priority,
                run_at=body.run_at.timestamp() if body.run_at else None,
                max_attempts=body.max_attempts,
                timeout_seconds=body.timeout_seconds,
                idempotency_key=headers.idempotency_key(request),
                request_id=state.get("request_id"),
                trace_id=state.get("trace_id"),
                traceparent=state.get("traceparent"),
            )
        )
        location = {"Location": f"/jobs/{job.id}"}
        if wait is None:
            return _job_response(job, HTTPStatus.ACCEPTED, location)
        job = await queue.wait(job.id, user_id, wait)
        return _job_response(job, HTTPStatus.OK if job.state.terminal else HTTPStatus.ACCEPTED, location, wait)

    @router.get(
        "/jobs/{id}",
        response_model=JobView,
        summary="Get a job",
        responses=answers.GET,
        openapi_extra=headers.described("Prefer", "If-None-Match"),
    )
    async def get(job_id: JobId, request: Request) -> Response:
        """With its attempts. `If-None-Match` with the last `ETag` gives 304 while nothing changed; `Prefer: wait=10`
        answers as soon as the job has ended."""
        queue, user_id, wait = queue_of(request), user_of(request), headers.wait_seconds(request)
        if wait is None:
            job = await queue.get(_well_formed(job_id), user_id)
        else:
            job = await queue.wait(_well_formed(job_id), user_id, wait)
        if not headers.known_versions(request).isdisjoint({"*", _etag(job)}):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=_headers(job, wait))
        return _job_response(job, HTTPStatus.OK, {}, wait)

    @router.get(
        "/jobs",
        response_model=PageView,
        summary="List your jobs",
        responses=answers.LIST,
    )
    async def list_jobs(
        request: Request,
        state: State | Absent = None,
        kind: KnownKind | Absent = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        cursor: Cursor | Absent = None,
    ) -> Response:
        """Newest first. `next` is the cursor of the next page. Jobs that arrive meanwhile move nothing."""
        query = ports.Query(user_id=user_of(request), state=state, kind=kind, limit=limit, cursor=cursor)
        page = await queue_of(request).list(query)
        sent = dict(NOT_STORED)
        if page.next is not None:
            following = {**request.query_params, "cursor": page.next}
            sent["Link"] = f'<{request.url.path}?{urlencode(following)}>; rel="next"'
        values = {"items": [job_values(job) for job in page.items], "next": page.next}
        return Response(to_json(values), HTTPStatus.OK, sent, "application/json")

    @router.post(
        "/jobs/{id}/cancel",
        response_model=JobView,
        summary="Cancel a job",
        responses=answers.CANCEL,
    )
    async def cancel(job_id: JobId, request: Request) -> Response:
        """A queued job is cancelled at once (200); a running one is asked to end (202); an ended one stays (200)."""
        job = await queue_of(request).cancel(_well_formed(job_id), user_of(request))
        return _job_response(job, HTTPStatus.ACCEPTED if job.state is State.RUNNING else HTTPStatus.OK)

    @router.post(
        "/jobs/{id}/redrive",
        status_code=202,
        response_model=JobView,
        summary="Run a failed job again",
        responses=answers.REDRIVE,
    )
    async def redrive(job_id: JobId, request: Request) -> Response:
        """With fresh attempts; those it had stay in `attempts`. Only a failed job (else 409)."""
        job = await queue_of(request).redrive(_well_formed(job_id), user_of(request))
        return _job_response(job, HTTPStatus.ACCEPTED)

    @router.get(
        "/jobs/{id}/events",
        status_code=200,
        response_class=EventStream,
        summary="Follow a job",
        responses=answers.EVENTS,
        openapi_extra=headers.described("Last-Event-ID"),
    )
    async def events(job_id: JobId, request: Request) -> Response:
        """Server-sent events: the state now, then each one that follows, until the job has ended. `data` is
        `{"state": …, "version": …, "attempt": …}`, `id` the version. A stream that broke is resumed with
        `Last-Event-ID`; states in quick succession may show as one."""
        queue, user_id, seen = queue_of(request), user_of(request), headers.last_event_id(request)
        job = await queue.get(_well_formed(job_id), user_id)  # a 404 must come before the stream begins
        return EventStream(queue, job.id, user_id, seen)

    return router


def _well_formed(job_id: str) -> str:
    if not JOB_ID.fullmatch(job_id):
        raise JobNotFound
    return job_id


def _job_response(
    job: Job, status: HTTPStatus, headers: Mapping[str, str] | None = None, waited: int | None = None
) -> Response:
    headers = _headers(job, waited) | dict(headers or {})
    return Response(to_json(job_values(job)), status, headers, "application/json")


def _headers(job: Job, waited: int | None = None) -> dict[str, str]:
    headers = {"ETag": _etag(job), **NOT_STORED}
    if not job.state.terminal:
        headers["Retry-After"] = RETRY_AFTER_SECONDS
    if waited is not None:
        headers["Preference-Applied"] = f"wait={waited}"
    return headers


def _etag(job: Job) -> str:
    return f'"{job.version}"'
