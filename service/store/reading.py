"""Reads, together: what is asked while a read runs goes next, all on one connection and in one snapshot. Under load
they share the way to the thread and back, which costs more than most of them."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Concatenate, ParamSpec, TypeVar

from service.domain.job import StorageUnavailable
from service.store.answer import answer
from service.store.driver import sqlite3
from service.store.readers import CONNECTIONS, Readers

P = ParamSpec("P")
T = TypeVar("T")
Waiting = tuple[Callable[[sqlite3.Connection], Any], "asyncio.Future[Any]"]

TOGETHER = 32

PATIENCE_SECONDS = 0.005
"""So long behind a slow read; then another connection helps out."""


class Reading:
    """Lives in the event loop; only the reads themselves run in threads."""

    def __init__(self, readers: Readers, threads: ThreadPoolExecutor) -> None:
        self._readers = readers
        self._threads = threads
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Waiting] = deque()
        self._busy = 0
        self._help_is_due = False

    async def run(
        self, read: Callable[Concatenate[sqlite3.Connection, P], T], *arguments: P.args, **options: P.kwargs
    ) -> T:
        """What `read` returns or raises; or raises `StorageUnavailable`."""
        future: asyncio.Future[T] = self._loop.create_future()
        self._waiting.append((lambda connection: read(connection, *arguments, **options), future))
        if self._busy == 0:
            self._start()
        elif not self._help_is_due and self._busy < CONNECTIONS:
            self._help_is_due = True
            self._loop.call_later(PATIENCE_SECONDS, self._help)
        return await future

    def _help(self) -> None:
        self._help_is_due = False
        if self._waiting and self._busy < CONNECTIONS:
            self._start()

    def _start(self) -> None:
        batch = [self._waiting.popleft() for _ in range(min(TOGETHER, len(self._waiting)))]
        try:
            self._threads.submit(self._read, batch)
            self._busy += 1
        except RuntimeError:  # the threads have ended
            self._answer(batch, [StorageUnavailable("the store is closed")] * len(batch))

    def _read(self, batch: Sequence[Waiting]) -> None:
        outcomes: list[Any] = []
        try:
            with self._readers.snapshot() as connection:
                for read, _ in batch:
                    try:
                        outcomes.append(read(connection))
                    except sqlite3.DatabaseError:
                        raise  # the snapshot says what that means
                    except Exception as error:
                        outcomes.append(error)
        except Exception as error:
            outcomes += [error] * (len(batch) - len(outcomes))
        with suppress(RuntimeError):  # the event loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._done, batch, outcomes)

    def _done(self, batch: Sequence[Waiting], outcomes: Sequence[Any]) -> None:
        self._busy -= 1
        self._answer(batch, outcomes)
        while self._waiting and self._busy == 0:  # once, but to the last one if the threads have ended
            self._start()

    @staticmethod
    def _answer(batch: Sequence[Waiting], outcomes: Sequence[Any]) -> None:
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            answer(future, outcome)
