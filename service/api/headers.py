"""Request headers with a grammar of their own, as dependencies.

A malformed one is a 400; but what a server does not understand of `Prefer`, it ignores (RFC 7240).
"""

import re
from typing import Annotated

from fastapi import Depends, Header, Request

from service.api import errors
from service.api.errors import Refused
from service.api.schemas import Absent

LONGEST_WAIT_SECONDS = 30

_KEY = re.compile(r"[!-~]{1,255}")
_WAIT = re.compile(r'\s*wait\s*=\s*"?([0-9]+)"?\s*(;.*)?', re.IGNORECASE)
_VERSION = re.compile(r"[0-9]{1,18}")


Text = str | Absent


# Not among OpenAPI's parameters: those are free of the body, and this one is not. A generator of requests would send
# one key with many bodies, and call each 422 a fault. The route's description has it.
async def _idempotency_key(request: Request) -> str | None:
    return _only(request, "Idempotency-Key", _KEY)


async def _wait_seconds(
    request: Request,
    prefer: Annotated[
        Text,
        Header(
            description="`wait=N`: answer once the job has ended, or after N seconds, of which there are 30 at most."
        ),
    ] = None,
) -> int | None:
    found = [match for each in _values(request, "Prefer") if (match := _WAIT.fullmatch(each))]
    if not found:
        return None
    request.scope["state"]["waits"] = True  # telemetry does not time it: it lasts as long as the client wants
    return min(LONGEST_WAIT_SECONDS, int(found[0][1][:9]))


async def _last_event_id(
    request: Request,
    last_event_id: Annotated[
        Text,
        Header(
            description="The `id` of the last event that you saw: only what comes after it is sent.",
            json_schema_extra={"pattern": "^[0-9]{1,18}$"},
        ),
    ] = None,
) -> int | None:
    version = _only(request, "Last-Event-ID", _VERSION)
    return None if version is None else int(version)


async def _known_versions(
    request: Request,
    if_none_match: Annotated[Text, Header(description="An `ETag` that you have: 304 while the job is that.")] = None,
) -> frozenset[str]:
    return frozenset(tag.strip().removeprefix("W/") for tag in _values(request, "If-None-Match"))


IdempotencyKey = Annotated[str | None, Depends(_idempotency_key)]
WaitSeconds = Annotated[int | None, Depends(_wait_seconds)]
LastEventId = Annotated[int | None, Depends(_last_event_id)]
KnownVersions = Annotated[frozenset[str], Depends(_known_versions)]
"""The entity tags of `If-None-Match`."""


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
