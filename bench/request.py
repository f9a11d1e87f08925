"""CPU time of one `POST /jobs`, in one process, without a server: what the whole application costs, and what being
observed adds to a request, beside OpenTelemetry's own instrumentation of FastAPI. Spans are exported to a sink.

    python -m bench.request [ROUNDS]
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import partial
from typing import Any

from asgi_lifespan import LifespanManager
from fastapi import FastAPI
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

from bench import sink
from bench.baselines import nothing
from bench.figures import Figure, Part, in_rounds
from bench.running import FAR
from service.app import create_app
from service.asgi import look_less_for_garbage
from service.domain.job import Job
from service.domain.ports import IdempotencyKey, JobStore, Receipt, StoreObserver
from service.settings import Settings
from service.store.memory import MemoryJobStore
from service.telemetry.logging import configure_logging
from service.telemetry.telemetry import Telemetry

BODY = FAR.encode()
HEADERS = [
    (b"host", b"localhost"),
    (b"user-agent", b"bench"),
    (b"authorization", b"Bearer dev-key"),
    (b"content-type", b"application/json"),
    (b"content-length", str(len(BODY)).encode()),
]
REQUESTS = 2000

BARE = "a bare POST"
OURS = {0.1: "logs, metrics and a span, 10 % traced", 1.0: "logs, metrics and a span, all traced"}
THEIRS = {0.1: "FastAPIInstrumentor, 10 % traced", 1.0: "FastAPIInstrumentor, all traced"}
WHOLE = {0.0: "the whole service, WARNING, none traced", 0.1: "the whole service, 10 % traced"}


class Nowhere(MemoryJobStore):
    async def add(self, job: Job, key: IdempotencyKey | None = None) -> Receipt:
        return Receipt(batch_size=1, waited_seconds=0.0)


@asynccontextmanager
async def whole(ratio: float, traces_url: str) -> AsyncIterator[FastAPI]:
    """The service, over a store that stores nothing."""

    @asynccontextmanager
    async def open_store(_: StoreObserver) -> AsyncIterator[JobStore]:
        yield Nowhere()

    level: Any = "INFO" if ratio else "WARNING"
    settings = Settings(
        job_concurrency=0, log_format="json", log_level=level, workers=1, trace_sample_ratio=ratio, _env_file=None
    )
    app = create_app(settings, open_store=open_store, traces_url=traces_url)
    async with LifespanManager(app):
        yield app


@asynccontextmanager
async def ours(ratio: float, traces_url: str) -> AsyncIterator[FastAPI]:
    """The service's telemetry around the bare POST."""
    configure_logging(format="json")
    app = nothing()
    telemetry = Telemetry(
        kinds=("sleep",), routes=(("POST", "/jobs"),), version="0", sqlite_version="0", sample_ratio=ratio,
        traces_url=traces_url,
    )  # fmt: skip
    app.add_middleware(telemetry.middleware, on_error=app, may_force_sampling=lambda _: False)
    async with telemetry.open():
        yield app


@asynccontextmanager
async def theirs(ratio: float, traces_url: str) -> AsyncIterator[FastAPI]:
    """Spans alone, with the stable names."""
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

    os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "http"
    app = nothing()
    provider = TracerProvider(sampler=ParentBasedTraceIdRatio(ratio))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(traces_url)))
    FastAPIInstrumentor.instrument_app(app, tracer_provider=provider)
    try:
        yield app
    finally:
        await asyncio.to_thread(provider.shutdown)


@asynccontextmanager
async def bare(_: float, __: str) -> AsyncIterator[FastAPI]:
    yield nothing()


async def post(app: FastAPI) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": BODY, "more_body": False}

    async def send(_: Any) -> None: ...

    scope = {
        **{"type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "scheme": "http"},
        **{"method": "POST", "path": "/jobs", "raw_path": b"/jobs", "query_string": b"", "root_path": ""},
        **{"headers": HEADERS, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8000), "state": {}},
    }
    await app(scope, receive, send)


Open = Callable[[float, str], AbstractAsyncContextManager[FastAPI]]


def cost(opened: Open, ratio: float, traces_url: str, requests: int) -> float:
    """µs of CPU a request, the exporter's thread included."""

    async def measured() -> float:
        async with opened(ratio, traces_url) as app:
            for _ in range(requests // 4):
                await post(app)
            look_less_for_garbage()  # as the service does, for all alike
            started = time.process_time()
            for _ in range(requests):
                await post(app)
            return (time.process_time() - started) / requests * 1e6

    with _log_thrown_away():
        return asyncio.run(measured())


def request(rounds: int, requests: int = REQUESTS) -> Part:
    with sink.listening() as base:
        traces_url = f"{base}/v1/traces"
        subjects: dict[str, Callable[[], float]] = {BARE: partial(cost, bare, 0, traces_url, requests)}
        for opened, names in ((ours, OURS), (theirs, THEIRS), (whole, WHOLE)):
            subjects |= {name: partial(cost, opened, ratio, traces_url, requests) for ratio, name in names.items()}
        found = in_rounds(subjects, rounds)

    def added(name: str, goal: str = "") -> Figure:
        values = [cost - base for cost, base in zip(found[name], found[BARE], strict=True)]
        return Figure(f"added by {name}", "µs CPU", values, goal)

    figures = [
        Figure(BARE, "µs CPU", found[BARE]),
        added(OURS[1.0], "≤ 140"),
        added(OURS[0.1], "≤ 60"),
        added(THEIRS[1.0]),
        added(THEIRS[0.1]),
        *(Figure(name, "µs CPU", found[name]) for name in WHOLE.values()),
    ]
    how = (
        "CPU time of one POST /jobs in one process, without a server and without an insert; spans go to a sink, log "
        "lines to /dev/null."
    )
    return Part("request", "The cost of being observed", how, figures, {"requests a round": requests})


@contextmanager
def _log_thrown_away() -> Iterator[None]:
    """The log goes to file descriptor 1, whatever Python calls stdout."""
    sys.stdout.flush()
    kept, null = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(null)


if __name__ == "__main__":
    print(request(int(sys.argv[1]) if len(sys.argv) > 1 else 5).table())
