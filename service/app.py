"""The composition root: which part gets which, and in which order they open and close.

`create_app`'s keyword arguments are the test seam: a test hands in its store, kinds or clock; production takes the
defaults. Importing this module does nothing.
"""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from service import __version__, handlers
from service.api import errors, openapi
from service.api.auth import KeyRing
from service.api.jobs import jobs_router
from service.api.ops import ops_router
from service.domain.job import StorageUnavailable
from service.domain.ports import Clock, JobStore, Kind, StoreObserver, WorkerLimits
from service.domain.queue import JobQueue
from service.domain.retention import prune_for_ever
from service.domain.worker import Worker
from service.lifecycle import ConnectionClose, Lifecycle
from service.settings import Settings
from service.store import driver
from service.store.sqlite import open_sqlite_store
from service.telemetry.logging import configure_logging
from service.telemetry.telemetry import Telemetry

OpenStore = Callable[[StoreObserver], AbstractAsyncContextManager[JobStore]]


def create_app(
    settings: Settings,
    *,
    kinds: Mapping[str, Kind] | None = None,
    open_store: OpenStore | None = None,
    traces_url: str | None = None,
    clock: Clock = time.time,
) -> FastAPI:
    """The ASGI application of one worker process. Opens nothing before its lifespan starts."""
    configure_logging(format=settings.log_format, level=settings.log_level)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # five lines a worker that say what ours say
    kinds = handlers.discover() if kinds is None else kinds
    open_store = open_store or sqlite_store(settings)
    keys = KeyRing(settings.api_keys_file)
    development = settings.environment == "development"
    jobs = jobs_router(kinds)
    telemetry = Telemetry(
        kinds=tuple(kinds),
        routes=routes_of(jobs),
        version=__version__,
        sqlite_version=driver.sqlite_version(),
        environment=settings.environment,
        workers=settings.workers,
        runtime_dir=settings.runtime_dir,
        sample_ratio=settings.trace_sample_ratio,
        loop_stall_seconds=settings.loop_stall_seconds,
        traces_url=traces_url,
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        """Opens outwards in, closes in reverse: the traces are flushed last, when nothing can make a span any more."""
        async with telemetry.open(), open_store(telemetry.store) as store:
            limits = WorkerLimits(
                concurrency=settings.job_concurrency,
                lease_seconds=settings.lease_seconds,
                drain_seconds=settings.drain_seconds,
                options={"webhook_allow_loopback": settings.webhook_allow_loopback},
            )
            worker = Worker(store, telemetry.jobs, kinds, limits, clock=clock)
            idempotency = settings.idempotency_hours * 3600
            queue = JobQueue(store, telemetry.jobs, idempotency_seconds=idempotency, clock=clock)
            lifecycle = Lifecycle(
                worker,
                dismiss_waiting=queue.dismiss_waiting,
                drain_seconds=settings.drain_seconds,
                notice_seconds=settings.notice_seconds,
                runtime_dir=settings.runtime_dir,
                event=telemetry.jobs.event,
            )
            app.state.store, app.state.lifecycle, app.state.queue = store, lifecycle, queue
            retention = settings.retention_hours * 3600
            async with lifecycle.running(), background(prune_for_ever(store, telemetry.jobs, retention, clock=clock)):
                telemetry.jobs.event("service_started", owner=worker.owner)
                yield
        if worker.abandoned:
            # asyncio would wait for these tasks for ever: they swallow their cancellation.
            os._exit(0)

    async def checks() -> Mapping[str, str]:
        database = "ok"
        try:
            await app.state.store.check()
        except StorageUnavailable as problem:
            database = str(problem)
        lifecycle: Lifecycle = app.state.lifecycle
        return {
            "database": database,
            "worker": lifecycle.worker_state,
            "draining": "yes" if lifecycle.closing else "no",
        }

    async def exposition(accept: str) -> tuple[bytes, str]:
        return await telemetry.exposition(accept, lambda: app.state.store.stats(clock()))

    app = FastAPI(
        title="Jobs service",
        version=__version__,
        summary="Post a job, it is durable before the answer, and a worker runs it.",
        lifespan=lifespan,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # service.telemetry does it, once
        docs_url="/docs" if development else None,
        redoc_url=None,
        openapi_url="/openapi.json" if development else None,
    )
    app.state.keys = keys
    errors.install(app)
    openapi.install(app)
    app.include_router(jobs)
    app.include_router(ops_router(checks, exposition, development=development))
    app.add_middleware(ConnectionClose, closing=lambda: app.state.lifecycle.closing)
    app.add_middleware(telemetry.middleware, on_error=errors.internal_error, may_force_sampling=keys.is_operator)
    return app


def routes_of(router: APIRouter) -> tuple[tuple[str, str], ...]:
    """Method and template of each, for the metrics."""
    routes = (route for route in router.routes if isinstance(route, APIRoute))
    return tuple((method, route.path) for route in routes for method in sorted(route.methods or ()))


def sqlite_store(settings: Settings) -> OpenStore:
    return lambda observer: open_sqlite_store(
        settings.database_path,
        max_queued=settings.max_queued,
        synchronous=settings.sqlite_synchronous,
        runtime_dir=settings.runtime_dir,
        observer=observer,
    )


@asynccontextmanager
async def background(work: Awaitable[None]) -> AsyncIterator[None]:
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
