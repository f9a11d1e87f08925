"""Every error as RFC 9457 problem details, and the one table from domain errors to HTTP.

`type` is stable and listed in docs/api.md. A problem never holds what the client sent, nor anything of the inside.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPMethod, HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from service.domain.job import IdempotencyConflict, JobNotFound, NotFailed, QueueFull, StorageUnavailable
from service.domain.ports import BadCursor

TYPE_PREFIX = "urn:jobs-service:problem:"
MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Problem:
    status: int
    slug: str  # the last part of `type`
    title: str
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)
    errors: Sequence[Mapping[str, Any]] | None = None  # where they are always the same


class Refused(Exception):
    """A request that the API refuses before it reaches the domain."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


UNAUTHENTICATED = Problem(
    401,
    "unauthenticated",
    "Unauthorized",
    "Send a valid key: Authorization: Bearer KEY.",
    {"WWW-Authenticate": "Bearer"},
)
NOT_FOUND = Problem(404, "not-found", "Not Found", "There is nothing at this address, or it is not yours.")
TOO_LARGE = Problem(413, "too-large", "Content Too Large", "The body may have 1 MiB at most.")
URL_TOO_LONG = Problem(414, "url-too-long", "URI Too Long", "The URL may have 8 KiB at most.")
HEAD_TOO_LARGE = Problem(
    431, "headers-too-large", "Request Header Fields Too Large", "The headers may be 100, and 64 KiB together, at most."
)
TOO_SLOW = Problem(
    408,
    "too-slow",
    "Request Timeout",
    "The request did not arrive in time. Nothing was stored.",
    {"Connection": "close"},
)
MALFORMED_REQUEST = Problem(400, "malformed-request", "Bad Request", "This is no HTTP request.")
NOT_JSON_TYPE = Problem(415, "unsupported-media-type", "Unsupported Media Type", "Send Content-Type: application/json.")
MALFORMED_BODY = Problem(400, "malformed-body", "Bad Request", "The body is not valid JSON.")
INVALID = Problem(422, "invalid", "Unprocessable Content", "Some values are not allowed; see errors.")
INTERNAL = Problem(500, "internal", "Internal Server Error", "Something went wrong here; the request id names it.")

NOT_FAILED = Problem(409, "not-failed", "Conflict", "Only a failed job can be redriven.")
CONFLICTING_KEY = Problem(
    422,
    "idempotency-conflict",
    "Unprocessable Content",
    "This Idempotency-Key belongs to another submission of yours. A new submission needs a new key.",
    errors=[{"loc": ["header", "Idempotency-Key"], "msg": "Used for another submission.", "type": "key_conflict"}],
)
QUEUE_FULL = Problem(
    429, "queue-full", "Too Many Requests", "As many jobs are queued as may be. Try later.", {"Retry-After": "5"}
)
STORAGE_UNAVAILABLE = Problem(
    503, "storage-unavailable", "Service Unavailable", "Nothing was stored. Try later.", {"Retry-After": "2"}
)

DOMAIN_PROBLEMS: Mapping[type[Exception], Problem] = {
    IdempotencyConflict: CONFLICTING_KEY,
    JobNotFound: NOT_FOUND,
    NotFailed: NOT_FAILED,
    QueueFull: QUEUE_FULL,
    StorageUnavailable: STORAGE_UNAVAILABLE,
}


def malformed_header(name: str) -> Problem:
    return Problem(400, "malformed-header", "Bad Request", f"The header {name} is not well formed; see the API's page.")


def response(request: Request, problem: Problem, errors: Sequence[Mapping[str, Any]] | None = None) -> Response:
    body = document(problem, request.url.path, request.scope.get("state", {}).get("request_id"), errors)
    return Response(body, problem.status, {**problem.headers, "Cache-Control": "no-store"}, MEDIA_TYPE)


def document(
    problem: Problem,
    instance: str | None,
    request_id: str | None,
    errors: Sequence[Mapping[str, Any]] | None = None,
) -> bytes:
    """`instance`: the path, or None where a request has none."""
    body: dict[str, Any] = {
        "type": TYPE_PREFIX + problem.slug,
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "instance": instance,
        "request_id": request_id,
    }
    if errors is not None:
        body["errors"] = errors
    return json.dumps(body).encode()


def install(app: FastAPI) -> None:
    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)  # noqa: S101  Starlette calls by type
        return response(request, error.problem)

    async def of_the_domain(request: Request, error: Exception) -> Response:
        problem = DOMAIN_PROBLEMS[type(error)]
        if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            request.scope["state"]["exception"] = error  # for the log line of this request
        request.scope["state"]["error_detail"] = problem.errors
        return response(request, problem, problem.errors)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        errors = [_without_input(each) for each in error.errors()]
        request.scope["state"]["error_detail"] = errors
        return response(request, INVALID, errors)

    async def bad_cursor(request: Request, error: Exception) -> Response:
        errors = [{"loc": ["query", "cursor"], "msg": "No page gave out this cursor.", "type": "bad_cursor"}]
        request.scope["state"]["error_detail"] = errors
        return response(request, INVALID, errors)

    async def of_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101
        if error.status_code == HTTPStatus.NOT_FOUND:
            return response(request, NOT_FOUND)
        phrase = HTTPStatus(error.status_code).phrase
        slug = phrase.lower().replace(" ", "-")
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = _allowed(request)
        return response(request, Problem(error.status_code, slug, phrase, error.detail, headers))

    app.add_exception_handler(Refused, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(BadCursor, bad_cursor)
    app.add_exception_handler(HTTPException, of_http)
    for kind in DOMAIN_PROBLEMS:
        app.add_exception_handler(kind, of_the_domain)


async def internal_error(scope: Scope, receive: Receive, send: Send) -> None:
    """The plain 500, as an ASGI application: what went wrong stands in the log, under the same request id."""
    await response(Request(scope), INTERNAL)(scope, receive, send)


def _allowed(request: Request) -> str:
    """The methods of all routes at this address. Starlette's own `Allow` has those of the first one only."""
    scopes = [dict(request.scope, method=method.value) for method in HTTPMethod]
    fitting = (scope["method"] for scope in scopes if any(_fits(route, scope) for route in request.app.routes))
    return ", ".join(sorted(fitting))


def _fits(route: BaseRoute, scope: Scope) -> bool:
    return route.matches(scope)[0] is Match.FULL


def _without_input(error: Mapping[str, Any]) -> dict[str, Any]:
    """Pydantic's error without what the client sent: neither `input` nor a message that repeats it."""
    message = error["msg"]
    if error["type"] == "union_tag_invalid":
        message = f"Unknown kind; known are {error['ctx']['expected_tags']}."
    return {"loc": list(error["loc"]), "msg": message, "type": error["type"]}
