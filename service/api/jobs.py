"""The jobs routes: /jobs, /jobs/{id}, /jobs/{id}/cancel."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.security import HTTPBearer

from service.api.dependencies import Queue, UserId
from service.api.requests import JobsRoute
from service.api.schemas import JobView, PageView, job_view, payload_of, submission_type
from service.domain import ports
from service.domain.job import Job, JobNotFound, State
from service.domain.ports import Kind
from service.domain.queue import Submission

JOB_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
RETRY_AFTER_SECONDS = "1"

JobId = Annotated[str, Path(alias="id", description="a job's UUIDv7")]


def jobs_router(kinds: Mapping[str, Kind]) -> APIRouter:
    # The bearer scheme is for OpenAPI alone: the route class has authenticated before anything else is looked at.
    scheme = Depends(HTTPBearer(auto_error=False, description="An API key"))
    router = APIRouter(tags=["jobs"], route_class=JobsRoute, dependencies=[scheme])
    SubmissionBody: Any = submission_type(kinds.values())  # noqa: N806  types, built at run time
    KnownKind: Any = Literal[tuple(kinds)]  # noqa: N806

    @router.post("/jobs", status_code=202, response_model=JobView, summary="Submit a job")
    async def submit(body: SubmissionBody, request: Request, queue: Queue, user_id: UserId) -> Response:
        """The job is on disk before this answers. Poll its `Location`, not sooner than `Retry-After`."""
        state = request.scope["state"]
        job = await queue.submit(
            Submission(
                kind=body.kind,
                payload=payload_of(body),
                user_id=user_id,
                priority=body.priority,
                run_at=body.run_at.timestamp() if body.run_at else None,
                max_attempts=body.max_attempts,
                timeout_seconds=body.timeout_seconds,
                request_id=state.get("request_id"),
                trace_id=state.get("trace_id"),
                traceparent=state.get("traceparent"),
            )
        )
        return _job_response(job, HTTPStatus.ACCEPTED, Location=f"/jobs/{job.id}")

    @router.get("/jobs/{id}", response_model=JobView, summary="Get a job")
    async def get(
        job_id: JobId, queue: Queue, user_id: UserId, if_none_match: Annotated[str | None, Header()] = None
    ) -> Response:
        """With its attempts. `If-None-Match` with the last `ETag` gives 304 while nothing changed."""
        job = await queue.get(_well_formed(job_id), user_id)
        if if_none_match is not None and _matches(if_none_match, job):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=_headers(job))
        return _job_response(job, HTTPStatus.OK)

    @router.get("/jobs", response_model=PageView, summary="List your jobs")
    async def list_jobs(
        request: Request,
        queue: Queue,
        user_id: UserId,
        state: State | None = None,
        kind: KnownKind | None = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        cursor: str | None = None,
    ) -> Response:
        """Newest first. `next` is the cursor of the next page."""
        page = await queue.list(ports.Query(user_id=user_id, state=state, kind=kind, limit=limit, cursor=cursor))
        headers = {}
        if page.next is not None:
            following = {**request.query_params, "cursor": page.next}
            headers["Link"] = f'<{request.url.path}?{urlencode(following)}>; rel="next"'
        view = PageView.model_construct(items=[job_view(job) for job in page.items], next=page.next)
        return Response(view.model_dump_json(), HTTPStatus.OK, headers, "application/json")

    @router.post("/jobs/{id}/cancel", response_model=JobView, summary="Cancel a job")
    async def cancel(job_id: JobId, queue: Queue, user_id: UserId) -> Response:
        """A queued job is cancelled at once (200); a running one is asked to end (202); an ended one stays (200)."""
        job = await queue.cancel(_well_formed(job_id), user_id)
        return _job_response(job, HTTPStatus.ACCEPTED if job.state is State.RUNNING else HTTPStatus.OK)

    return router


def _well_formed(job_id: str) -> str:
    if not JOB_ID.fullmatch(job_id):
        raise JobNotFound
    return job_id


def _job_response(job: Job, status: HTTPStatus, **headers: str) -> Response:
    return Response(job_view(job).model_dump_json(), status, _headers(job) | headers, "application/json")


def _headers(job: Job) -> dict[str, Any]:
    headers = {"ETag": f'"{job.version}"'}
    if not job.state.terminal:
        headers["Retry-After"] = RETRY_AFTER_SECONDS
    return headers


def _matches(if_none_match: str, job: Job) -> bool:
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return "*" in tags or f'"{job.version}"' in tags
