"""Wakes sleeping workers as jobs become claimable: this process by an event, its siblings by a datagram.

A wake-up may be lost (a full buffer, a process just starting); the worker's poll underneath makes that a delay.
"""

import asyncio
import contextlib
import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

PATH_LIMIT_BYTES = 103
"""Of a Unix socket's path: 104 with its end mark on macOS, 108 on Linux."""


class Wakeup:
    """`directory`: where the processes of one database keep their sockets; None: this process only."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._event = asyncio.Event()
        self._socket: socket.socket | None = None
        # A fresh name for each process, so that a name nobody answers at is never used again and may be removed.
        self._name = f"wake-{secrets.token_hex(6)}"

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Raises `ValueError` if the directory's path is too long for a socket."""
        if self._directory is None:
            yield
            return
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._directory / self._name
        if len(os.fsencode(path)) > PATH_LIMIT_BYTES:
            raise ValueError(
                f"runtime directory is too long for a Unix socket's path, take a shorter one: {self._directory}"
            )
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.setblocking(False)
            listener.bind(str(path))
            self._socket = listener
            loop.add_reader(listener, self._receive)
            try:
                yield
            finally:
                loop.remove_reader(listener)
                self._socket = None
                path.unlink(missing_ok=True)

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
        sender = self._socket
        if sender is None or self._directory is None:
            return
        with contextlib.suppress(OSError), os.scandir(self._directory) as entries:
            for entry in entries:
                if entry.name.startswith("wake-") and entry.name != self._name:
                    _send(sender, entry.path)

    def _receive(self) -> None:
        assert self._socket is not None  # noqa: S101  the reader is removed with the socket
        with contextlib.suppress(BlockingIOError):
            while self._socket.recv(1):
                pass
        self._event.set()


def _send(sender: socket.socket, path: str) -> None:
    try:
        sender.sendto(b"!", path)
    except ConnectionRefusedError:
        with contextlib.suppress(OSError):
            os.unlink(path)  # noqa: PTH108  its process ended without closing
    except OSError:
        pass  # a full buffer: that process is about to wake anyway
