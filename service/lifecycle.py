"""From SIGTERM to uvicorn's own handler, so that a stop loses no job and no request.

uvicorn closes its listeners the moment it sees SIGTERM, and what connects after that is reset. So these handlers take
the signal first, in this order:

1. At once: the worker claims nothing more. HTTP goes on: a POST is durable for the next process.
2. Running jobs get `drain_seconds`, then they are released without costing an attempt.
3. `/readyz` answers 503 and answers carry `Connection: close` for `notice_seconds`, longer than the proxy's health
   interval, so that it has turned away before the listeners close.
4. uvicorn's handler: listeners close, requests in flight end, the lifespan closes the store and flushes the traces.
"""

import asyncio
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import FrameType
from typing import Any

from service.domain.worker import Worker

SIGNALS = (signal.SIGINT, signal.SIGTERM)
SAME_SIGNAL_SECONDS = 1.0  # Ctrl-C reaches the whole terminal group, and then the supervisor sends SIGTERM: one stop
CRASH_EXIT_CODE = 70

Event = Callable[..., None]


class Lifecycle:
    """One worker process's way from start to stop. `event` writes a log line."""

    def __init__(self, worker: Worker, *, notice_seconds: float, event: Event) -> None:
        self.closing = False  # /readyz answers 503, and connections are asked to close
        self._worker = worker
        self._notice_seconds = notice_seconds
        self._event = event
        self._stop_asked_at: float | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._working: asyncio.Task[None] | None = None

    @property
    def worker_state(self) -> str:
        if self._working is None or self._working.done():
            return "stopped"
        return "ok" if self._stop_asked_at is None else "draining"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Around the lifespan's `yield`: the worker works, signals drain it first. Leaving stops it in any case."""
        self._working = asyncio.create_task(self._worker.run(), name="worker")
        self._working.add_done_callback(self._crash_if_failed)
        uninstall = self._install_handlers()
        try:
            yield
        finally:
            self._worker.stop()
            await asyncio.wait({self._working})
            uninstall()

    def _install_handlers(self) -> Callable[[], None]:
        if threading.current_thread() is not threading.main_thread():
            return lambda: None  # a test's server in a thread: it stops by leaving the lifespan
        loop = asyncio.get_running_loop()
        originals = {each: signal.getsignal(each) for each in SIGNALS}

        def handler(number: int, frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(self._stop_asked, number, originals[signal.Signals(number)])

        for each in SIGNALS:
            signal.signal(each, handler)
        _end_with_parent()

        def uninstall() -> None:
            for each, original in originals.items():
                signal.signal(each, original)

        return uninstall

    def _stop_asked(self, number: int, original: Any) -> None:
        now = time.monotonic()
        if self._stop_asked_at is None:
            self._stop_asked_at = now
            self._event("stop_asked", signal=signal.Signals(number).name)
            self._stopping = asyncio.create_task(self._stop(number, original), name="stop")
        elif now - self._stop_asked_at > SAME_SIGNAL_SECONDS:
            self._worker.hurry()

    async def _stop(self, number: int, original: Any) -> None:
        assert self._working is not None  # noqa: S101  handlers are installed after it
        self._worker.stop()
        await asyncio.wait({self._working})
        self.closing = True
        self._event("worker_drained")
        await asyncio.sleep(self._notice_seconds)
        if callable(original):
            original(number, None)

    def _crash_if_failed(self, working: asyncio.Task[None]) -> None:
        """HTTP that goes on beside a dead worker looks healthy and runs nothing, so the process ends with it; the
        supervisor starts another, and the leases bring the jobs back."""
        if working.cancelled() or (error := working.exception()) is None:
            return
        self._event("worker_crashed", logging.CRITICAL, error=error)
        os._exit(CRASH_EXIT_CODE)


def _end_with_parent() -> None:
    """A supervisor killed with -9 leaves its workers serving, and the port taken: they stop when it is gone."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


class ConnectionClose:
    """Pure ASGI: adds `Connection: close` while `closing()`, so that kept-alive connections end before the listener."""

    def __init__(self, app: Any, closing: Callable[[], bool]) -> None:
        self._app = app
        self._closing = closing

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or not self._closing():
            await self._app(scope, receive, send)
            return

        async def send_closing(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            await send(message)

        await self._app(scope, receive, send_closing)
