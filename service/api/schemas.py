"""What the API takes and gives. The submission's type is built from the kinds, so that OpenAPI lists each payload."""

import json
import math
import operator
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache, reduce
from typing import Annotated, Any, Literal

from fastapi.exceptions import RequestValidationError
from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    create_model,
    field_validator,
)
from pydantic.json_schema import SkipJsonSchema

from service.domain.job import Attempt, Job, Outcome, State
from service.domain.ports import Kind


def _rfc3339(seconds: float) -> str:
    """A page has hundreds of times, most of a job's within one second."""
    second = math.floor(seconds)
    microseconds = round((seconds - second) * 1e6)
    if microseconds == 1_000_000:
        second, microseconds = second + 1, 0
    return f"{_second(second)}.{microseconds:06}Z"


@lru_cache(maxsize=1024)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


RFC3339 = re.compile(
    r"[12][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt]([01][0-9]|2[0-3])(:[0-5][0-9]){2}(\.[0-9]+)?"
    r"([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
)
"""Years 1000 to 2999: at the ends of what Python knows, an offset leads beyond."""


def _text(value: object) -> object:
    """Pydantic would take a number for a time, too, and text that leaves much out: what it means is anybody's guess."""
    if not isinstance(value, str) or not RFC3339.fullmatch(value):
        raise ValueError("must be a string, as in 2026-01-31T12:00:00Z")
    return value


def _whole(value: object) -> object:
    """1.0 is an integer to JSON Schema, and so to OpenAPI; to a strict model it is none."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Absent = SkipJsonSchema[None]
"""For query parameters: they need not be sent, but cannot be null."""

CURSOR = "[0-7][0-9a-f]{15}"
"""What a page can give out as `next`; a store refuses any other."""

Cursor = Annotated[str, Field(description="`next` of the page before", json_schema_extra={"pattern": f"^{CURSOR}$"})]

GivenTime = Annotated[
    AwareDatetime, BeforeValidator(_text), Field(json_schema_extra={"pattern": f"^{RFC3339.pattern}$"})
]
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class SubmissionBase(BaseModel):
    """A request for a job. Only `kind` is required, and whatever its payload requires."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    priority: int = Field(0, ge=-100, le=100, strict=True, description="higher runs first")
    run_at: GivenTime | None = Field(None, description="not before this time; years 1000 to 2999")
    max_attempts: int = Field(5, ge=1, le=100, strict=True)
    timeout_seconds: float = Field(60.0, gt=0, le=86_400, strict=True, allow_inf_nan=False, description="per attempt")

    whole = field_validator("priority", "max_attempts", mode="before")(_whole)


def submission_type(kinds: Iterable[Kind]) -> Any:
    """One model per kind, told apart by `kind`: a Pydantic discriminated union."""
    models: list[Any] = []
    for kind in kinds:
        integers = [name for name, field in kind.payload.model_fields.items() if field.annotation is int]
        # A name of its own: each kind calls its model `Payload`, and OpenAPI would tell them apart by module path.
        payload = create_model(
            f"{kind.name.title()}Payload",
            __base__=kind.payload,
            __doc__=kind.payload.__doc__,
            __validators__={"whole": field_validator(*integers, mode="before")(_whole)} if integers else None,
        )
        required = any(each.is_required() for each in kind.payload.model_fields.values())
        models.append(
            create_model(
                f"{kind.name.title()}Submission",
                __base__=SubmissionBase,
                kind=(Literal[kind.name], ...),  # type: ignore[arg-type]  # a name known at run time only
                payload=(payload, ... if required else Field(default_factory=payload)),
            )
        )
    return models[0] if len(models) == 1 else Annotated[reduce(operator.or_, models), Field(discriminator="kind")]


_require_json = json.JSONEncoder(allow_nan=False).encode


def payload_of(submission: Any) -> dict[str, Any]:
    """The payload as JSON. Raises a 422 for numbers that JSON parsers take and nobody can write, such as 1e999."""
    payload: dict[str, Any] = submission.payload.model_dump(mode="json")
    try:
        _require_json(payload)
    except ValueError as problem:
        error = {"type": "number_out_of_range", "loc": ("body", "payload"), "msg": "A number is beyond range."}
        raise RequestValidationError([error]) from problem
    return payload


class AttemptView(BaseModel):
    """One run of the job."""

    number: int
    started_at: Time
    finished_at: Time | None
    outcome: Outcome | None = Field(description="null while it runs")
    error: str | None
    trace_id: str | None


class JobView(BaseModel):
    """A job as it stands. Times are RFC 3339 in UTC."""

    id: str = Field(description="UUIDv7")
    kind: str
    payload: dict[str, Any]
    state: State
    priority: int
    attempt: int = Field(description="0 until the first start")
    max_attempts: int
    timeout_seconds: float
    run_at: Time
    created_at: Time
    started_at: Time | None
    finished_at: Time | None
    result: Any
    error: str | None
    cancel_requested: bool
    user_id: str
    request_id: str | None
    trace_id: str | None
    version: int = Field(description="grows with each change")
    attempts: list[AttemptView]


class PageView(BaseModel):
    items: list[JobView]
    next: str | None = Field(description="cursor of the next page; null on the last one")


_JOB_FIELDS = tuple(JobView.model_fields)
_ATTEMPT_FIELDS = tuple(AttemptView.model_fields)
_values_of_job = operator.attrgetter(*_JOB_FIELDS)
_values_of_attempt = operator.attrgetter(*_ATTEMPT_FIELDS)


def job_values(job: Job) -> dict[str, Any]:
    """What `JobView` describes, in plain values for `to_json`: to make the model and have it write itself takes three
    times as long, on every answer."""
    values = dict(zip(_JOB_FIELDS, _values_of_job(job), strict=True))
    values["run_at"], values["created_at"] = _rfc3339(job.run_at), _rfc3339(job.created_at)
    values["started_at"] = None if job.started_at is None else _rfc3339(job.started_at)
    values["finished_at"] = None if job.finished_at is None else _rfc3339(job.finished_at)
    values["attempts"] = [_attempt_values(attempt) for attempt in job.attempts]
    return values


def _attempt_values(attempt: Attempt) -> dict[str, Any]:
    values = dict(zip(_ATTEMPT_FIELDS, _values_of_attempt(attempt), strict=True))
    values["started_at"] = _rfc3339(attempt.started_at)
    values["finished_at"] = None if attempt.finished_at is None else _rfc3339(attempt.finished_at)
    return values
