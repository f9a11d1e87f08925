"""Watches the event loop: how late it turns, and whether it has stopped turning.

A handler that blocks the loop stops HTTP, and the supervisor does not notice: a thread answers its pings. So a thread
here watches too, says where the loop hangs, and ends the process; the supervisor starts another one.
"""

import asyncio
import os
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

TICK_SECONDS = 0.1
WINDOW_SECONDS = 15.0  # no shorter than the scrape interval, so that no spike falls between two scrapes
EXIT_STATUS = 70  # EX_SOFTWARE
_REPORT_SECONDS = 2.0


class LoopWatch:
    """`stalled` is called in a thread, with the stacks of all threads, before the process ends. 0 seconds: never."""

    def __init__(self, stall_seconds: float, stalled: Callable[[float, str], None]) -> None:
        self._stall_seconds = stall_seconds
        self._stalled = stalled
        self._turns = 0
        self._due = 0.0
        self._lags: deque[tuple[float, float]] = deque(maxlen=round(WINDOW_SECONDS / TICK_SECONDS))
        self._closed = threading.Event()

    def lag_seconds(self) -> float:
        """The longest delay within the window. A histogram would hide one stall among many prompt turns."""
        since = time.monotonic() - WINDOW_SECONDS
        return max((lag for at, lag in tuple(self._lags) if at >= since), default=0.0)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        self._closed = closed = threading.Event()
        self._due = time.monotonic()
        self._turn(loop)
        if self._stall_seconds:
            threading.Thread(target=self._watch, args=(closed,), name="loop-watch", daemon=True).start()
        try:
            yield
        finally:
            closed.set()

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        now = time.monotonic()
        self._lags.append((now, max(0.0, now - self._due)))
        self._turns += 1
        if not self._closed.is_set():
            self._due = now + TICK_SECONDS
            loop.call_later(TICK_SECONDS, self._turn, loop)

    def _watch(self, closed: threading.Event) -> None:
        """Counts its own periods without a turn instead of reading a clock: a process that was suspended as a whole
        (SIGSTOP, a sleeping laptop) has not stalled."""
        period = min(1.0, self._stall_seconds / 10)
        turns, silent = self._turns, 0.0
        while not closed.wait(period):
            silent = silent + period if self._turns == turns else 0.0
            turns = self._turns
            if silent >= self._stall_seconds:
                self._end(silent)

    def _end(self, silent: float) -> None:
        # The report may hang as well (a full pipe on stdout may be what blocks the loop): the end does not wait for it.
        report = threading.Thread(target=self._stalled, args=(silent, stacks()), daemon=True)
        report.start()
        report.join(_REPORT_SECONDS)
        os._exit(EXIT_STATUS)


def stacks() -> str:
    """Where every thread stands, the main thread first."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    frames = sorted(sys._current_frames().items(), key=lambda item: item[0] != threading.main_thread().ident)
    return "\n".join(
        f"Thread {names.get(ident, ident)}:\n{''.join(traceback.format_stack(frame))}" for ident, frame in frames
    )
