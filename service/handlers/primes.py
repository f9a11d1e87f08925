"""Counts primes: CPU-bound work, so it runs in a process pool, where it blocks nobody's event loop."""

from typing import Any

import pydantic

from service.domain.ports import Context
from service.handlers._pool import process_pool
from service.handlers._sieve import count_primes

SEGMENT = 1 << 20  # numbers sieved by one call of the pool: 1 MiB and some 10 ms


class Payload(pydantic.BaseModel):
    """Where to stop."""

    model_config = pydantic.ConfigDict(
        title="PrimesPayload",
        frozen=True,
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"below": 1_000_000}]},
    )

    below: int = pydantic.Field(ge=2, le=50_000_000, description="Primes smaller than this number are counted.")


async def run(payload: Payload, context: Context) -> Any:
    """`{"count": …}`.

    A call that a child has begun cannot be recalled, so the work goes in segments: a cancelled or timed-out attempt
    gives its child back after the present one, and jobs side by side take turns.
    """
    pool = await context.shared(process_pool)
    count = 0
    for start in range(0, payload.below, SEGMENT):
        count += await pool.call(count_primes, start, min(start + SEGMENT, payload.below))
    return {"count": count}
