"""Wakes sleeping workers as jobs become claimable: this process by an event, its siblings by a message.

Siblings are left asleep while this process has more than half of its own slots free: all of them would try to claim,
for the one job that one of them gets, and each try takes the lock that commits wait for.

A wake-up may be lost (a full mailbox, a process just starting); the worker's poll underneath makes that a delay.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

from service.store.mailbox import Mailbox


class Wakeup:
    """`directory`: where the processes of one database keep their mailboxes; None: this process only."""

    def __init__(self, directory: Path | None) -> None:
        self._event = asyncio.Event()
        self._mailbox = Mailbox(directory, "wake", lambda _: self.wake())
        self._slots = 0  # the most that a claim asked for
        self._spare = 0  # that the last claim left free, less the jobs that came since

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Raises `ValueError` if the directory's path is too long for a socket."""
        with self._mailbox:
            self._mailbox.open()
            yield

    async def wait(self, seconds: float) -> None:
        """Until a wake-up, which may have come before the call; but no longer than `seconds`."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._event.wait(), seconds)
        self._event.clear()

    def wake(self) -> None:
        """Called in the event loop's thread."""
        self._event.set()

    def claimed(self, asked: int, taken: int) -> None:
        """This process's worker takes jobs, and has so many slots left. In the writer's thread, as `is_too_much`."""
        self._slots = max(self._slots, asked)
        self._spare = asked - taken

    def is_too_much(self, runnable: int) -> bool:
        """Whether so many new jobs are better shared. Always, if no worker of this process claims."""
        self._spare -= runnable
        return runnable > 0 and (self._spare < self._slots / 2 or not self._slots)

    def wake_siblings(self) -> None:
        """Never blocks; may be called from any thread."""
        self._mailbox.send(b"!")
