"""Short messages between the processes of one database: datagrams to Unix sockets in a common directory.

Sending never blocks and a message may be lost, when a mailbox is full or its process dies; what relies on messages has
something slower beneath.
"""

import asyncio
import contextlib
import os
import secrets
import socket
import sys
from collections.abc import Callable
from pathlib import Path

PATH_LIMIT_BYTES = 103
"""Of a Unix socket's path: 104 with its end mark on macOS, 108 on Linux."""

MESSAGE_LIMIT_BYTES = 2048 if sys.platform == "darwin" else 32_768
"""What the system takes as one datagram by default; Linux would take 200 KB."""


class Mailbox:
    """This process's mailbox of one sort, and the way into all others of that sort. A process with none open is sent
    nothing, so closing it saves everybody the work. `directory` None: there are no others."""

    def __init__(self, directory: Path | None, sort: str, received: Callable[[list[bytes]], None]) -> None:
        self._directory = directory
        self._prefix = f"{sort}-"
        self._received = received
        # A fresh name for each process, so that a name nobody answers at is never used again and may be removed.
        self._name = f"{self._prefix}{secrets.token_hex(6)}"
        self._listener: socket.socket | None = None
        self._sender: socket.socket | None = None

    def __enter__(self) -> "Mailbox":
        """Ready to send. Raises `ValueError` if the directory's path is too long for a socket."""
        if self._directory is not None:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if len(os.fsencode(self._directory / self._name)) > PATH_LIMIT_BYTES:
                raise ValueError(
                    f"runtime directory is too long for a Unix socket's path, take a shorter one: {self._directory}"
                )
            self._sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._sender.setblocking(False)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        if self._sender is not None:
            self._sender.close()
            self._sender = None

    def open(self) -> None:
        """From now on messages arrive, at `received`, in the event loop. May be repeated."""
        if self._directory is None or self._listener is not None:
            return
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._listener.setblocking(False)
        self._listener.bind(str(self._directory / self._name))
        asyncio.get_running_loop().add_reader(self._listener, self._receive)

    def close(self) -> None:
        if self._directory is None or self._listener is None:
            return
        asyncio.get_running_loop().remove_reader(self._listener)
        self._listener.close()
        self._listener = None
        (self._directory / self._name).unlink(missing_ok=True)

    def send(self, *messages: bytes) -> None:
        """To all others. May be called from any thread."""
        if self._directory is None:
            return
        with contextlib.suppress(OSError), os.scandir(self._directory) as entries:
            for entry in entries:
                if entry.name.startswith(self._prefix) and entry.name != self._name:
                    self._deliver(entry.path, messages)

    def _deliver(self, path: str, messages: tuple[bytes, ...]) -> None:
        if self._sender is None:
            return
        try:
            for message in messages:
                self._sender.sendto(message, path)
        except ConnectionRefusedError:
            with contextlib.suppress(OSError):
                os.unlink(path)  # noqa: PTH108  its process ended without closing
        except OSError:
            pass  # full, or just closed

    def _receive(self) -> None:
        assert self._listener is not None  # noqa: S101  the reader is removed with it
        messages = []
        with contextlib.suppress(BlockingIOError):
            while True:
                messages.append(self._listener.recv(MESSAGE_LIMIT_BYTES))
        self._received(messages)
