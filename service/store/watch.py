"""Tells whoever waits for a job that it changed: in this process by calls, in its siblings by messages with the ids.

A process has its mailbox open only while somebody waits in it, so that nobody's waiting costs the others nothing. A
message may be lost; so the versions of all watched jobs are compared every few seconds, in one query, and at once when
so many messages lay in the mailbox that others may not have fitted in.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from service.domain.job import StorageUnavailable
from service.store.mailbox import MESSAGE_LIMIT_BYTES, Mailbox

Versions = Callable[[Sequence[str]], Awaitable[dict[str, int]]]
"""The versions of those of these jobs that there are."""

COMPARE_SECONDS = 5.0
LEAST_COMPARE_SECONDS = 0.5

FULL_MESSAGES = 8
"""A mailbox that held so many may have been full: Linux allows about ten."""

IDS_A_MESSAGE = MESSAGE_LIMIT_BYTES // 37


class Watch:
    """`directory`: as for the wake-ups."""

    def __init__(self, directory: Path | None) -> None:
        self._waiting: dict[str, list[Callable[[], None]]] = {}
        self._known: dict[str, int] = {}  # versions at the last comparison
        self.mailbox = Mailbox(directory, "watch", self._received)
        self._someone = asyncio.Event()
        self._suspicious = asyncio.Event()

    @asynccontextmanager
    async def comparing(self, versions: Versions) -> AsyncIterator[None]:
        task = asyncio.create_task(self._compare_for_ever(versions), name="watch")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})

    @contextmanager
    def watching(self, job_id: str, changed: Callable[[], None]) -> Iterator[None]:
        self.mailbox.open()
        self._someone.set()
        self._waiting.setdefault(job_id, []).append(changed)
        try:
            yield
        finally:
            callbacks = self._waiting[job_id]
            callbacks.remove(changed)
            if not callbacks:
                del self._waiting[job_id]
                self._known.pop(job_id, None)

    def tell(self, job_ids: Sequence[str]) -> None:
        """These jobs changed. Called in the event loop."""
        if self._waiting:
            for job_id in job_ids:
                for changed in self._waiting.get(job_id, ()):
                    changed()

    def tell_siblings(self, job_ids: Sequence[str]) -> None:
        """Never blocks; may be called from any thread."""
        if job_ids:
            starts = range(0, len(job_ids), IDS_A_MESSAGE)
            self.mailbox.send(*("\n".join(job_ids[start : start + IDS_A_MESSAGE]).encode() for start in starts))

    def _received(self, messages: list[bytes]) -> None:
        for message in messages:
            self.tell(message.decode().split("\n"))
        if len(messages) >= FULL_MESSAGES:
            self._suspicious.set()

    async def _compare_for_ever(self, versions: Versions) -> None:
        while True:
            await self._someone.wait()
            await asyncio.sleep(LEAST_COMPARE_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(COMPARE_SECONDS - LEAST_COMPARE_SECONDS):
                    await self._suspicious.wait()
            self._suspicious.clear()
            if self._waiting:
                with suppress(StorageUnavailable):  # who waits is told by the first change after it is back
                    await self._compare(versions)
            else:
                self._someone.clear()
                self.mailbox.close()

    async def _compare(self, versions: Versions) -> None:
        """Tells of jobs whose version is another than last time, or was not compared yet."""
        found = await versions(list(self._waiting))
        moved = [job_id for job_id in self._waiting if self._known.get(job_id) != found.get(job_id, 0)]
        self._known.update((job_id, found.get(job_id, 0)) for job_id in moved)
        self.tell(moved)
