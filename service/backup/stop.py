"""SIGTERM and SIGINT as a flag that long work looks at, and that ends a wait at once.

An exception raised by the handler itself could come in the middle of a clean-up, and leave half a file behind. So it is
raised only where the code says that it waits.
"""

import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

GRACE_SECONDS = 5.0


class Stopped(Exception):
    """The process was asked to stop."""


class Stop:
    """Made without effect; `listen` takes the signals, in the main thread."""

    def __init__(self) -> None:
        self.asked = False  # no Event: a handler that sets one may wait for the very thread it has interrupted
        self._waiting = False

    def listen(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._take)

    def check(self) -> None:
        """Raises `Stopped` if it was asked."""
        if self.asked:
            raise Stopped

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """A wait within is ended by `Stopped`."""
        self._waiting = True
        try:
            self.check()
            yield
        finally:
            self._waiting = False

    def sleep(self, seconds: float) -> None:
        """Raises `Stopped`."""
        with self.interrupting():
            time.sleep(seconds)

    def run(self, command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        """A program to its end; one that is stopped is ended too. Raises `Stopped`, or `OSError` if it is not there."""
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        with process:
            try:
                with self.interrupting():
                    output, errors = process.communicate()
            except BaseException:
                process.terminate()
                try:
                    process.wait(GRACE_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
                raise
        return subprocess.CompletedProcess(command, process.returncode, output, errors)

    def _take(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        if self._waiting:
            self._waiting = False  # once: what unwinds must not be interrupted again
            raise Stopped
