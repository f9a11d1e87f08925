"""From SIGTERM to uvicorn's own handler, so that a stop loses no job and no request.

uvicorn closes its listeners the moment it sees SIGTERM, and what connects after that is reset. So these handlers take
the signal first, in this order:

1. At once: the worker claims nothing more, event streams end, long polls are answered with the job as it is. HTTP goes
   on: a POST is durable for the next process.
2. Running jobs get `drain_seconds`, then they are released without costing an attempt. A worker that is done sooner
   waits for its siblings: were it to close on its own, the proxy, which sees one service and not four workers, would
   still send to it.
3. `/readyz` answers 503 and answers carry `Connection: close` for `notice_seconds`, longer than the proxy's health
   interval, so that it has turned away before the listeners close.
4. uvicorn's handler: listeners close, requests in flight end, the lifespan closes the store and flushes the traces.
"""

import asyncio
import fcntl
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Self

from service.domain.worker import Worker

SIGNALS = (signal.SIGINT, signal.SIGTERM)
SAME_SIGNAL_SECONDS = 1.0  # Ctrl-C reaches the whole terminal group, and then the supervisor sends SIGTERM: one stop
CRASH_EXIT_CODE = 70
SIBLINGS_POLL_SECONDS = 0.05

Event = Callable[..., None]


class Lifecycle:
    """One worker process's way from start to stop. `event` writes a log line."""

    def __init__(
        self,
        worker: Worker,
        *,
        dismiss_waiting: Callable[[], None],
        drain_seconds: float,
        notice_seconds: float,
        runtime_dir: Path | None,
        event: Event,
    ) -> None:
        self.closing = False  # /readyz answers 503, and connections are asked to close
        self._worker = worker
        self._dismiss_waiting = dismiss_waiting
        self._drain_seconds = drain_seconds
        self._notice_seconds = notice_seconds
        self._runtime_dir = runtime_dir
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
        with _Siblings(self._runtime_dir) as self._siblings:
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
        self._dismiss_waiting()
        await asyncio.wait({self._working})
        self._event("worker_drained")
        await self._siblings.drained(self._drain_seconds)
        self.closing = True
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


class _Siblings:
    """Lets the workers of one service close together: each holds a shared lock until its jobs have ended, so an
    exclusive one can be had once all have. The kernel drops the lock of a worker that dies."""

    def __init__(self, runtime_dir: Path | None) -> None:
        self._path = None if runtime_dir is None else runtime_dir / "draining.lock"

    def __enter__(self) -> Self:
        self._file = None if self._path is None else self._path.open("ab")
        if self._file is not None:
            fcntl.flock(self._file, fcntl.LOCK_SH)
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    async def drained(self, bound_seconds: float) -> None:
        """Returns when no worker has running jobs, or after the time that they may take."""
        deadline = time.monotonic() + bound_seconds
        while self._file is not None and time.monotonic() < deadline:
            try:
                # Taking the exclusive lock gives up the shared one first, whether it succeeds or not.
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                await asyncio.sleep(SIBLINGS_POLL_SECONDS)
            else:
                fcntl.flock(self._file, fcntl.LOCK_UN)
                return


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
