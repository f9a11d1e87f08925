import logging
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
import structlog

from service.telemetry.logging import configure_logging

ReadLines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def restored_logging() -> Iterator[None]:
    """`configure_logging` changes the whole process; the next test gets the process as it was."""
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook, warnings.showwarning
    handlers, level = logging.root.handlers, logging.root.level
    yield
    sys.excepthook, threading.excepthook, sys.unraisablehook, warnings.showwarning = hooks
    logging.root.handlers, logging.root.level = handlers, level
    structlog.reset_defaults()


@pytest.fixture
def read_lines(restored_logging: None, capfdbinary: pytest.CaptureFixture[bytes]) -> ReadLines:
    """Logs as JSON from DEBUG on; each call returns the lines since the last one. stderr must be empty."""
    configure_logging("json", "DEBUG")

    def read() -> list[dict[str, Any]]:
        written = capfdbinary.readouterr()
        assert written.err == b""
        assert written.out == b"" or written.out.endswith(b"\n")
        return [orjson.loads(line) for line in written.out.splitlines()]

    return read
