"""What the service's submission is measured against: the same FastAPI POST that inserts nothing; one that inserts as is
usual, with a SQLAlchemy session and a transaction for each request; and one over the service's store. Same body, same
answer, same uvicorn.
"""

import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Response
from fastapi.concurrency import run_in_threadpool
from pydantic_core import to_json
from sqlalchemy import create_engine, event, select
from sqlalchemy.orm import DeclarativeBase, Session

from bench.jobs import new_job
from bench.running import MAX_QUEUED
from service import handlers
from service.api.schemas import job_values, payload_of, submission_type
from service.domain.job import Job
from service.store import driver, tables
from service.store.migrations import migrate
from service.store.sqlite import SqliteJobStore, open_sqlite_store

COPIED = (
    *("id", "kind", "user_id", "created_at", "run_at", "runnable_at", "priority", "attempt", "max_attempts"),
    *("timeout_seconds", "cancel_requested", "version", "lease_expired"),
)

Store = Callable[[Job], Awaitable[None]]


def nothing() -> FastAPI:
    async def store(_: Job) -> None: ...

    return _application(store)


def group_commit() -> FastAPI:
    """The service's own store, without the service around it."""
    path = Path(os.environ["BASELINE_DATABASE"])
    stores: list[SqliteJobStore] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with open_sqlite_store(path, max_queued=MAX_QUEUED, runtime_dir=path.parent / "run") as store:
            stores.append(store)
            yield

    async def store(job: Job) -> None:
        await stores[0].add(job)

    migrate(path)
    return _application(store, lifespan)


def session_per_request() -> FastAPI:
    """In its thread pool, as FastAPI's documentation has it; WAL, `synchronous=FULL` and a long busy timeout."""
    path = Path(os.environ["BASELINE_DATABASE"])
    migrate(path)
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 30}, module=driver.sqlite3)

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")

    def insert(job: Job) -> None:
        """The service's own table, indexes and triggers, and its queue limit."""
        with Session(engine) as session, session.begin():
            queued = session.scalar(select(tables.counter.c.jobs).where(tables.counter.c.state == "queued"))
            if queued is not None and queued >= MAX_QUEUED:
                raise RuntimeError("the queue is full")
            row = {name: getattr(job, name) for name in COPIED}
            session.add(Row(**row, state=job.state.value, due=0, payload=json.dumps(job.payload)))

    async def store(job: Job) -> None:
        await run_in_threadpool(insert, job)

    return _application(store)


def _application(store: Store, lifespan: Any = None) -> FastAPI:
    app = FastAPI(lifespan=lifespan, telemetry={"tracing": False, "metrics": False, "logs": False})
    SubmissionBody: Any = submission_type(handlers.discover().values())  # noqa: N806

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/jobs", status_code=202)
    async def submit(body: SubmissionBody) -> Response:
        run_at = body.run_at.timestamp() if body.run_at else time.time()
        job = new_job(body.kind, payload_of(body), run_at=run_at, runnable_at=run_at)
        await store(job)
        headers = {"Location": f"/jobs/{job.id}"}
        return Response(to_json(job_values(job)), 202, headers, "application/json")

    return app


class Base(DeclarativeBase):
    metadata = tables.metadata


class Row(Base):
    __table__ = tables.job
