"""A log line about something that happened, told by the domain or a store."""

import sys
from typing import Any

from structlog.typing import FilteringBoundLogger

from service.telemetry import callsite, plain


def write_event(log: FilteringBoundLogger, message: str, level: int, facts: dict[str, Any]) -> None:
    """A line with the source of the caller's caller; a fact `error` that is an exception comes with its traceback."""
    error = facts.get("error")
    if isinstance(error, BaseException):
        facts["exc_info"] = error
        facts["error"] = f"{type(error).__name__}: {plain.text(error)}"
    facts["source"] = callsite.of_frame(sys._getframe(2))
    log.log(level, message, **facts)
