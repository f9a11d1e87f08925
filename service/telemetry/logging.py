"""Configures logging: one flat JSON object a line on stdout, or coloured lines for a terminal.

Our own lines take structlog's short way; those of third parties (uvicorn, SQLAlchemy, warnings, …) come through the
standard `logging` and get the same shape. In the JSON format nothing goes to stderr: what Python would print there
(uncaught exceptions, warnings) becomes a line too.
"""

import asyncio
import logging
import os
import sys
from collections.abc import Callable, MutableMapping
from typing import Any, Literal

import structlog
from structlog.typing import FilteringBoundLogger

from service.telemetry import callsite, hooks, plain
from service.telemetry.console import ConsoleLines
from service.telemetry.line import compose, to_json
from service.telemetry.redaction import redact_text

Format = Literal["auto", "json", "console"]
Render = Callable[[dict[str, Any], BaseException | None], bytes]

_OURS = ("structlog", __name__)
_QUIET = {
    "httpx": logging.WARNING,  # logs each request's URL at INFO, query included
    "httpcore": logging.WARNING,
    "urllib3": logging.WARNING,
    "opentelemetry.exporter": logging.CRITICAL,  # two lines a batch while the collector is away; see exporter.py
    "asyncio": logging.INFO,  # "Using selector" at DEBUG
}


def configure_logging(format: Format = "auto", level: str = "INFO") -> None:  # noqa: A002  named as the setting
    """Once in the supervisor and once in each worker. `auto`: console if stdout is a terminal."""
    console = format == "console" or (format == "auto" and sys.stdout.isatty())
    render: Render = ConsoleLines() if console else to_json
    structlog.configure(
        processors=[_Processor(render)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_Stdout,
        cache_logger_on_first_use=True,
    )
    handler = _ThirdParties(render)
    logging.root.handlers = [handler]
    logging.root.setLevel(level.upper())
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(max(least, logging.root.level))
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    hooks.install()


def get_logger() -> FilteringBoundLogger:
    logger: FilteringBoundLogger = structlog.get_logger()
    return logger


class _Stdout:
    """Where lines go: file descriptor 1, one write call a line, so that lines of several workers on one pipe do not mix
    (beyond 4 KiB, which only long tracebacks reach, a full pipe may still split one)."""

    def __init__(self, *_: Any) -> None: ...

    def msg(self, line: bytes) -> None:
        try:
            while line:
                line = line[os.write(1, line) :]
        except OSError:
            pass  # nobody reads; the service goes on

    debug = info = warning = error = critical = msg


class _Processor:
    """Structlog's whole chain in one step: several small ones cost more than the line itself."""

    def __init__(self, render: Render) -> None:
        self._render = render

    def __call__(self, _: Any, level: str, event: MutableMapping[str, Any]) -> bytes:
        try:
            message = event.pop("event", "")
            source = event.pop("source", None) or callsite.of_caller(_OURS)
            error = _error(event.pop("exc_info", None))
            line = compose(level, message, source, event)
            if "exception" in event:
                line["exception"] = plain.cut(plain.text(event["exception"]), plain.LONG_LIMIT)
            return self._render(line, error)
        except Exception as problem:  # a log call never raises
            return to_json(compose("error", "log_line_lost", "-", {"problem": type(problem).__name__}), None)


class _ThirdParties(logging.Handler):
    def __init__(self, render: Render) -> None:
        super().__init__()
        self._render = render
        self._stdout = _Stdout()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            source = getattr(record, "source", None) or callsite.of_place(
                record.pathname, record.funcName, record.lineno
            )
            fields = {"logger": record.name, **getattr(record, "fields", {})}
            line = compose(record.levelname.lower(), _message(record), source, fields, record.created)
            self._stdout.msg(self._render(line, _error(record.exc_info)))
        except Exception:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  the standard's name; its own writes to stderr
        self._stdout.msg(to_json(compose("error", "log_line_lost", "-", {"logger": record.name}), None))


def _message(record: logging.LogRecord) -> str:
    try:
        return redact_text(record.getMessage().strip())
    except Exception:  # arguments that do not fit the format
        return plain.text(record.msg)


def _error(exc_info: Any) -> BaseException | None:
    if exc_info is True:
        return sys.exc_info()[1]
    if isinstance(exc_info, tuple):
        exc_info = exc_info[1]
    return exc_info if isinstance(exc_info, BaseException) else None


def _is_news(record: logging.LogRecord) -> bool:
    """False for what uvicorn says about a request whose end is already logged, with its traceback, by `http.py`."""
    said = str(record.msg)
    if said.startswith("Exception in ASGI application"):
        return not isinstance(_error(record.exc_info), asyncio.CancelledError)  # at a stop, when its time is over
    return not said.startswith("ASGI callable returned without")
