"""Telemetry of one process as a whole: made without I/O, opened in the lifespan, closed last."""

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from opentelemetry.sdk.trace.export import SpanExporter

from service.telemetry import gather, slot
from service.telemetry.event import write_event
from service.telemetry.exchange import App, Scope
from service.telemetry.exposition import snapshot
from service.telemetry.http import HttpTelemetry
from service.telemetry.jobs import JobTelemetry
from service.telemetry.logging import get_logger
from service.telemetry.loop import LoopWatch
from service.telemetry.metrics import Metrics
from service.telemetry.scrape import ReadStats, Scrape
from service.telemetry.store import StoreTelemetry
from service.telemetry.tracing import Tracing


class Telemetry:
    """`kinds` and `routes` (method, template): the label values that exist from the start. `runtime_dir`: where workers
    meet; None: this process answers scrapes for itself alone. `traces_url`: where spans go by OTLP over HTTP; None:
    nowhere, they only give the log lines their ids. `span_exporter` replaces it in tests."""

    def __init__(
        self,
        *,
        kinds: Sequence[str],
        routes: Sequence[tuple[str, str]],
        version: str,
        sqlite_version: str,
        environment: str = "development",
        workers: int = 1,
        runtime_dir: Path | None = None,
        sample_ratio: float = 1.0,
        loop_stall_seconds: float = 20.0,
        traces_url: str | None = None,
        span_exporter: SpanExporter | None = None,
    ) -> None:
        self.log = get_logger()
        self.metrics = Metrics(kinds, routes, version, sqlite_version)
        self.tracing = Tracing(
            version=version,
            environment=environment,
            sample_ratio=sample_ratio,
            exporter=span_exporter,
            traces_url=traces_url,
            event=self.event,
            lost=self.metrics.spans_lost.inc,
        )
        self.jobs = JobTelemetry(self.metrics, self.tracing, self.log)
        self.store = StoreTelemetry(self.metrics, self.log)
        self._workers = workers
        self._runtime_dir = runtime_dir
        # Not the loop's own pool: handlers' blocking work may fill that, and the scrape would find the worker dead.
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="metrics")
        self._scrape = Scrape(self.metrics, self._threads)
        self._loop = LoopWatch(loop_stall_seconds, self._stalled)
        self.metrics.loop_lag.set_function(self._loop.lag_seconds)
        self.worker = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Closes in reverse: the spans are flushed last."""
        async with AsyncExitStack() as opened:
            await opened.enter_async_context(self.tracing.open())
            if self._runtime_dir is not None:
                self.worker = opened.enter_context(slot.held(self._runtime_dir, self._workers))
                own = gather.served(self._socket(self.worker), lambda: snapshot(self.metrics.registry), self._threads)
                await opened.enter_async_context(own)
            await opened.enter_async_context(self._loop.open())
            yield

    def middleware(self, app: App, *, on_error: App, may_force_sampling: Callable[[Scope], bool]) -> HttpTelemetry:
        return HttpTelemetry(
            app,
            metrics=self.metrics,
            tracing=self.tracing,
            log=self.log,
            on_error=on_error,
            may_force_sampling=may_force_sampling,
        )

    async def exposition(self, accept: str, stats: ReadStats) -> tuple[bytes, str]:
        """Body and content type for `GET /metrics`, of all workers; takes a little over a second at most."""
        workers = range(self._workers) if self._runtime_dir is not None else range(1)
        others = {}
        if self._runtime_dir is not None:
            present = (number for number in range(2 * self._workers) if number != self.worker)
            others = {str(number): self._socket(number) for number in present}
        return await self._scrape.answer(accept, stats, str(self.worker), others, frozenset(map(str, workers)))

    def event(self, message: str, level: int = logging.INFO, **facts: Any) -> None:
        write_event(self.log, message, level, facts)

    def _socket(self, number: int) -> Path:
        assert self._runtime_dir is not None  # noqa: S101  asked for only with one
        return self._runtime_dir / f"worker-{number}.sock"

    def _stalled(self, seconds: float, stacks: str) -> None:
        self.log.critical("event_loop_stalled", seconds=round(seconds, 3), exception=stacks)
