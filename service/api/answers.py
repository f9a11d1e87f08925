"""What each route may answer, for OpenAPI: the good answers with their headers, and every problem by its type."""

from collections.abc import Mapping
from typing import Any

from service.api import errors
from service.api.errors import TYPE_PREFIX, Problem
from service.api.events import EVENT
from service.api.schemas import JobView

Responses = dict[int | str, dict[str, Any]]
"""The `responses` of a route."""

HEADERS: Mapping[str, dict[str, Any]] = {
    "Connection": {"description": "`close`: what is still on its way is not read.", "schema": {"type": "string"}},
    "ETag": {
        "description": "The job's version, for `If-None-Match`.",
        "required": True,
        "schema": {"type": "string", "pattern": '^"[0-9]+"$'},
    },
    "Link": {"description": "The next page, if there is one.", "schema": {"type": "string"}},
    "Location": {
        "description": "Where the job is.",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "Preference-Applied": {
        "description": "The wait that was granted, if one was asked for; also when it ran out.",
        "schema": {"type": "string", "pattern": "^wait=[0-9]+$"},
    },
    "Retry-After": {
        "description": "Seconds until asking again is worth it.",
        "schema": {"type": "integer"},
    },
    "WWW-Authenticate": {
        "description": "How to say who you are.",
        "required": True,
        "schema": {"type": "string", "const": "Bearer"},
    },
    "X-Processed-Time": {
        "description": "Seconds from the request's arrival to the answer's start.",
        "required": True,
        "schema": {"type": "number"},
    },
    "X-Request-ID": {
        "description": "Yours if you sent a well-formed one; it is in the logs.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"},
    },
}


def described_headers(*names: str) -> dict[str, Any]:
    return {name: HEADERS[name] for name in names}


def _answer(description: str, *headers: str, **more: Any) -> dict[str, Any]:
    return {"description": description, "headers": described_headers(*headers), **more}


def _with_problems(good: Mapping[int | str, dict[str, Any]], *problems: Problem) -> Responses:
    """The good answers, these problems, and those that any route may answer."""
    responses: Responses = {**good}
    for problem in (*problems, errors.UNAUTHENTICATED, errors.INTERNAL, errors.STORAGE_UNAVAILABLE):
        content = {"schema": {"$ref": "#/components/schemas/ProblemDetails"}, "examples": {}}
        response = responses.setdefault(
            problem.status, _answer(problem.title, *problem.headers, content={"application/problem+json": content})
        )
        examples = response["content"]["application/problem+json"]["examples"]
        examples[problem.slug] = {"summary": problem.detail, "value": _example(problem)}
    return responses


def _example(problem: Problem) -> dict[str, Any]:
    example: dict[str, Any] = {
        "type": TYPE_PREFIX + problem.slug,
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "instance": "/jobs",
        "request_id": "89d6d6b0653f7a45100435a6c5020232",
    }
    if problem is errors.INVALID:
        loc = ["body", "sleep", "priority"]
        example["errors"] = [{"loc": loc, "msg": "Input should be a valid integer", "type": "int_type"}]
    elif problem.errors is not None:
        example["errors"] = problem.errors
    return example


SUBMIT = _with_problems(
    {
        200: _answer("It has ended while you waited.", "Location", "ETag", "Preference-Applied", model=JobView),
        202: _answer("It is on disk.", "Location", "ETag", "Retry-After", "Preference-Applied"),
    },
    errors.MALFORMED_BODY,
    errors.malformed_header("Idempotency-Key"),
    errors.TOO_SLOW,
    errors.TOO_LARGE,
    errors.NOT_JSON_TYPE,
    errors.INVALID,
    errors.CONFLICTING_KEY,
    errors.QUEUE_FULL,
)
GET = _with_problems(
    {
        200: _answer("The job as it is.", "ETag", "Retry-After", "Preference-Applied"),
        304: _answer("It is still the version that you have.", "ETag", "Retry-After", "Preference-Applied"),
    },
    errors.NOT_FOUND,
)
LIST = _with_problems({200: _answer("A page.", "Link")}, errors.INVALID)
CANCEL = _with_problems(
    {
        200: _answer("It is cancelled, or had ended before.", "ETag"),
        202: _answer("It runs, and is asked to end.", "ETag", "Retry-After", model=JobView),
    },
    errors.NOT_FOUND,
)
REDRIVE = _with_problems(
    {202: _answer("It is queued again.", "ETag", "Retry-After")}, errors.NOT_FOUND, errors.NOT_FAILED
)
EVENTS = _with_problems(
    {200: _answer("The states, as they come.", content={"text/event-stream": {"schema": EVENT}})},
    errors.malformed_header("Last-Event-ID"),
    errors.NOT_FOUND,
)
