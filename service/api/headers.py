"""Request headers with a grammar of their own: what they mean, and how OpenAPI describes them.

A malformed one is a 400; but what a server does not understand of `Prefer`, it ignores (RFC 7240). They are read by
plain calls: as FastAPI's parameters each would cost a submission 14 µs.
"""

import re
from typing import Any

from fastapi import Request

from service.api import errors
from service.api.errors import Refused

LONGEST_WAIT_SECONDS = 30

_KEY = re.compile(r"[!-~]{1,255}")
_WAIT = re.compile(r'\s*wait\s*=\s*"?([0-9]+)"?\s*(;.*)?', re.IGNORECASE)
_VERSION = re.compile(r"[0-9]{1,18}")

# Without `Idempotency-Key`: parameters are free of the body, and that one is not. A generator of requests would send
# one key with many bodies, and call each 422 a fault. The route's description has it.
_PARAMETERS = {
    "Prefer": {
        "description": "`wait=N`: answer once the job has ended, or after N seconds, of which there are 30 at most.",
        "schema": {"type": "string"},
    },
    "If-None-Match": {
        "description": "An `ETag` that you have: 304 while the job is that.",
        "schema": {"type": "string"},
    },
    "Last-Event-ID": {
        "description": "The `id` of the last event that you saw: only what comes after it is sent.",
        "schema": {"type": "string", "pattern": f"^{_VERSION.pattern}$"},
    },
}


def described(*names: str) -> dict[str, Any]:
    """For a route's `openapi_extra`."""
    return {"parameters": [{"name": name, "in": "header", "required": False, **_PARAMETERS[name]} for name in names]}


def idempotency_key(request: Request) -> str | None:
    return _only(request, "Idempotency-Key", _KEY)


def last_event_id(request: Request) -> int | None:
    version = _only(request, "Last-Event-ID", _VERSION)
    return None if version is None else int(version)


def wait_seconds(request: Request) -> int | None:
    """The wait that is granted; None: none was asked for."""
    found = [match for each in _values(request, "Prefer") if (match := _WAIT.fullmatch(each))]
    if not found:
        return None
    request.scope["state"]["waits"] = True  # telemetry does not time it: it lasts as long as the client wants
    return min(LONGEST_WAIT_SECONDS, int(found[0][1][:9]))


def known_versions(request: Request) -> frozenset[str]:
    """The entity tags of `If-None-Match`."""
    return frozenset(tag.strip().removeprefix("W/") for tag in _values(request, "If-None-Match"))


def _only(request: Request, name: str, grammar: re.Pattern[str]) -> str | None:
    given = request.headers.getlist(name)
    if not given:
        return None
    if len(given) > 1 or not grammar.fullmatch(given[0]):
        raise Refused(errors.malformed_header(name))
    return given[0]


def _values(request: Request, name: str) -> list[str]:
    """Of a header that is a list; it may also be sent several times."""
    return [value for line in request.headers.getlist(name) for value in line.split(",")]
