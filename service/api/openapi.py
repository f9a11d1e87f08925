"""Completes FastAPI's OpenAPI document: the form of the problems, and the headers of every answer."""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict

from service.api.answers import described_headers


class FieldError(BaseModel):
    """One value that is not allowed; never the value itself."""

    model_config = ConfigDict(extra="forbid")

    loc: list[str | int]
    msg: str
    type: str


class ProblemDetails(BaseModel):
    """RFC 9457. `errors` comes with 422."""

    model_config = ConfigDict(extra="forbid")

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str
    errors: list[FieldError] = []


KEY = {"type": "http", "scheme": "bearer", "description": "An API key"}
"""Of all routes in the document; `requests.JobsRoute` asks for it before anything else is looked at."""

FASTAPIS_OWN = ("HTTPValidationError", "ValidationError")


def install(app: FastAPI) -> None:
    """FastAPI's documented way to extend its document."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            schemas = document["components"]["schemas"]
            problem = ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= {**problem.pop("$defs"), "ProblemDetails": problem}
            for name in FASTAPIS_OWN:
                schemas.pop(name, None)
            document["components"]["securitySchemes"] = {"key": KEY}
            for operation in (each for path in document["paths"].values() for each in path.values()):
                operation["security"] = [{"key": []}]
                _complete(operation["responses"])
        assert app.openapi_schema is not None  # noqa: S101
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(responses: dict[str, dict[str, Any]]) -> None:
    if "application/json" in responses.get("422", {}).get("content", {}):
        del responses["422"]  # FastAPI's guess: any parameter could be invalid, in its own form
    for response in responses.values():
        response["headers"] = described_headers("X-Processed-Time", "X-Request-ID") | response.get("headers", {})
