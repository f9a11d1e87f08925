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


def install(app: FastAPI) -> None:
    """FastAPI's documented way to extend its document."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            problem = ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
            document["components"]["schemas"] |= {**problem.pop("$defs"), "ProblemDetails": problem}
            for operation in (each for path in document["paths"].values() for each in path.values()):
                for response in operation["responses"].values():
                    everywhere = described_headers(("X-Processed-Time", "X-Request-ID"))
                    response["headers"] = everywhere | response.get("headers", {})
        assert app.openapi_schema is not None  # noqa: S101
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
