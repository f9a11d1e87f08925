"""Waits. With `fail_attempts` it fails first, to show retries."""

import asyncio
from typing import Any

import pydantic

from service.domain.ports import Context


class Payload(pydantic.BaseModel):
    """How long to wait, and how often to fail before."""

    model_config = pydantic.ConfigDict(
        title="SleepPayload",
        frozen=True,
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"seconds": 0.1}, {"seconds": 1, "fail_attempts": 2}]},
    )

    seconds: float = pydantic.Field(0.1, ge=0, le=86_400, allow_inf_nan=False, description="Time to wait, in seconds.")
    fail_attempts: int = pydantic.Field(0, ge=0, le=1_000, description="How many attempts fail before one succeeds.")


async def run(payload: Payload, context: Context) -> Any:
    await asyncio.sleep(payload.seconds)
    if context.attempt <= payload.fail_attempts:
        raise RuntimeError(f"attempt {context.attempt} fails, as the first {payload.fail_attempts} were asked to")
    return {"slept": payload.seconds}
