"""Keeps the leases of a worker's running jobs, from a thread of its own: a handler that blocks the event loop for
longer than a lease would otherwise lose the lease of every sibling beside it."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from typing import Self

from service.domain.job import StorageUnavailable
from service.domain.ports import JobObserver, JobStore


class Heartbeat:
    """Renews what is held every third of the lease, so that two may fail before it runs out."""

    def __init__(self, store: JobStore, owner: str, lease_seconds: float, observer: JobObserver) -> None:
        self._store = store
        self._owner = owner
        self._lease_seconds = lease_seconds
        self._observer = observer
        self._held: dict[str, int] = {}
        self._held_lock = threading.Lock()
        self._stopped = threading.Event()
        self._lost: asyncio.Queue[tuple[str, int] | None] = asyncio.Queue()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def hold(self, job_id: str, run: int) -> None:
        with self._held_lock:
            self._held[job_id] = run

    def drop(self, job_id: str) -> None:
        with self._held_lock:
            self._held.pop(job_id, None)

    async def lost(self) -> AsyncIterator[tuple[str, int]]:
        """Job and run whose lease is no longer held; ends with `stop`."""
        while (lost := await self._lost.get()) is not None:
            yield lost

    def stop(self) -> None:
        self._stopped.set()
        self._lost.put_nowait(None)

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopped.set()
        await asyncio.to_thread(self._thread.join, self._lease_seconds)

    def _beat(self) -> None:
        while not self._stopped.wait(self._lease_seconds / 3):
            with self._held_lock:
                held = dict(self._held)
            if not held:
                continue
            try:
                lost = self._store.heartbeat(self._owner, held, self._lease_seconds)
            except StorageUnavailable:
                continue  # nobody else can claim either; the worker reports the outage
            except Exception as error:  # a thread that dies in silence would lose every lease
                self._observer.event("heartbeat_failed", logging.ERROR, error=error)
                continue
            for job_id in lost:
                self._loop.call_soon_threadsafe(self._lost.put_nowait, (job_id, held[job_id]))
