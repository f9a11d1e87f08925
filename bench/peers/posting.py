"""The same `POST /jobs` for every other system: FastAPI, a checked body, 202 once the system's own call returned."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Any

from fastapi import FastAPI, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

Submit = Callable[[str, Mapping[str, Any]], Awaitable[str]]
"""Queues a job of that kind with that payload; returns its id."""


class Body(BaseModel):
    kind: str
    payload: dict[str, Any] = Field(default_factory=dict)
    run_at: datetime | None = None  # accepted and not used: no worker runs, so nothing is run too early


class Accepted(BaseModel):
    id: str
    kind: str
    state: str = "queued"


def posting_blocking(put: Callable[[str, Mapping[str, Any]], str]) -> FastAPI:
    """For systems whose own call blocks: in the thread pool. `put` queues a job and returns its id."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Submit]:
        async def submit(kind: str, payload: Mapping[str, Any]) -> str:
            return await run_in_threadpool(put, kind, payload)

        yield submit

    return posting(opened)


def posting(opened: Callable[[], AbstractAsyncContextManager[Submit]]) -> FastAPI:
    """`opened` connects to the system's server for as long as the process lives."""
    submit: Submit

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        nonlocal submit
        async with opened() as submit:
            yield

    app = FastAPI(lifespan=lifespan, telemetry={"tracing": False, "metrics": False, "logs": False})

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/jobs", status_code=202)
    async def submission(body: Body) -> Response:
        job_id = await submit(body.kind, body.payload)
        view = Accepted(id=job_id, kind=body.kind)
        return Response(view.model_dump_json(), 202, {"Location": f"/jobs/{job_id}"}, "application/json")

    return app
