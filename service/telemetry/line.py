"""One log line: its fields in their order, then as JSON. The same for our calls and for those of third parties."""

import os
import time
import traceback
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import islice
from types import TracebackType
from typing import Any

import orjson
from opentelemetry import trace

from service.telemetry import plain
from service.telemetry.context import IDENTITY, facts
from service.telemetry.redaction import REDACTED, is_secret, redact_text, without_keys

ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None]
_FIXED = frozenset({"timestamp", "level", "message", "source", "pid", "exception"})


def compose(
    level: str, message: Any, source: str, fields: Mapping[str, Any], when: float | None = None
) -> dict[str, Any]:
    """The fields of a line, flat and capped. `when`: seconds since the epoch; None: now."""
    line: dict[str, Any] = {
        "timestamp": _timestamp(time.time() if when is None else when),
        "level": level,
        "message": plain.flat(message if type(message) is str else plain.text(message)),
        "source": source,
    }
    known = facts.get()
    if known is not None:
        for name in IDENTITY:
            if (value := known.get(name)) is not None:
                line[name] = plain.flat(value)
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        line["trace_id"] = f"{span.trace_id:032x}"
        line["span_id"] = f"{span.span_id:016x}"
    for name, value in fields.items():
        if name not in _FIXED:
            line[name] = None if value is None else _treatment(name)(value)
    if len(line) > plain.FIELDS_LIMIT:
        line = dict(islice(line.items(), plain.FIELDS_LIMIT)) | {"fields_left_out": len(line) - plain.FIELDS_LIMIT}
    line["pid"] = os.getpid()
    return line


def _timestamp(when: float) -> str:
    """RFC 3339, UTC, microseconds."""
    second = int(when)
    return f"{_second(second)}.{int((when - second) * 1_000_000):06d}Z"


@lru_cache(maxsize=8)
def _second(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def traceback_text(error: BaseException) -> str:
    """As Python prints it, with causes and notes; beginning and end if it is very long."""
    try:
        written = "".join(traceback.format_exception(error))
    except Exception:  # an exception that breaks even the traceback module
        written = plain.unprintable(error)
    return plain.cut(redact_text(written), plain.LONG_LIMIT)


def to_json(line: dict[str, Any], error: BaseException | None) -> bytes:
    """One line of JSON, with its newline."""
    if error is not None:
        line["exception"] = traceback_text(error)
    try:
        written = orjson.dumps(line, default=plain.text, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # lone surrogates
        written = orjson.dumps(plain.escape_surrogates(line), default=plain.text, option=orjson.OPT_APPEND_NEWLINE)
    return without_keys(written)


@lru_cache(maxsize=1024)
def _treatment(name: str) -> Callable[[Any], Any]:
    """What is done with a field of that name."""
    if is_secret(name):
        return lambda _: REDACTED
    return plain.detail if name == "detail" else plain.flat
