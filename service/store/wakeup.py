"""Wakes sleeping workers as jobs become claimable: this process by an event, its siblings by a message.

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

    def wake_siblings(self) -> None:
        """Never blocks; may be called from any thread."""
        self._mailbox.send(b"!")
