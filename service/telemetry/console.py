"""The log for a person at a terminal: coloured, aligned, with the code around each frame of a traceback."""

from typing import Any

from structlog.dev import (
    Column,
    ConsoleRenderer,
    KeyValueColumnFormatter,
    LogLevelColumnFormatter,
    RichTracebackFormatter,
)

_RESET, _BOLD, _DIM, _CYAN = "\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[36m"
_MESSAGE_WIDTH = 20
_LAST = ("detail", "request_id", "user_id", "job_id", "trace_id", "span_id", "pid", "source")
_LEVELS = {"debug": _DIM, "info": "\x1b[32m", "warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[1;31m"}


class ConsoleLines:
    """Renders composed lines; the facts first, then, dimmed, the ids and the source."""

    def __init__(self) -> None:
        plain = _column(None, "", _text)
        self._renderer = ConsoleRenderer(
            columns=[
                Column("", _column(_CYAN, "", _text)),
                Column("timestamp", _column(None, _DIM, _clock)),
                Column("level", LogLevelColumnFormatter(_LEVELS, _RESET)),
                Column("message", _column(None, _BOLD, _harmless, _MESSAGE_WIDTH)),
                Column("method", plain),
                Column("path_with_query", plain),
                Column("status_code", _column(None, _BOLD, str)),
            ],
            sort_keys=False,
            # No local variables: they hold request headers and payloads, and a log holds no secrets.
            exception_formatter=RichTracebackFormatter(show_locals=False, extra_lines=3, word_wrap=True, max_frames=40),
        )
        self._dim = _column(_DIM, _DIM, _text)

    def __call__(self, line: dict[str, Any], error: BaseException | None) -> bytes:
        last = [self._dim(name, line.pop(name)) for name in _LAST if name in line]
        exception = line.pop("exception", None)
        written = " ".join([self._renderer(None, "", line), *last])
        if error is not None:
            written += self._renderer(None, "", {"exc_info": (type(error), error, error.__traceback__)}).rstrip()
        elif exception is not None:
            written += f"\n{exception}"
        return (written + "\n").encode("utf-8", "backslashreplace")


def _column(key_style: str | None, style: str, show: Any, width: int = 0) -> KeyValueColumnFormatter:
    return KeyValueColumnFormatter(
        key_style=key_style, value_style=style, reset_style=_RESET, value_repr=show, width=width
    )


def _clock(timestamp: object) -> str:
    return str(timestamp)[11:23]


def _text(value: object) -> str:
    written = f"{value:.6g}" if isinstance(value, float) else str(value)
    return written if written.isprintable() and " " not in written else repr(written)


def _harmless(value: object) -> str:
    """Control characters, such as those of a client's header, must not reach the terminal."""
    written = str(value)
    return written if written.isprintable() else repr(written)[1:-1]
