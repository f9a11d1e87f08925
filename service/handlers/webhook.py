"""POSTs JSON to a URL, guarded against SSRF (see `_guard`)."""

import asyncio
import json
from typing import Any

import httpx
import pydantic

from service.domain.job import NonRetryable
from service.domain.ports import Context
from service.handlers._client import open_client, open_client_with_loopback

TOTAL_SECONDS = 10.0  # from the first look-up to the last byte read
READ_BYTES = 64 * 1024  # what is read of an answer, at most; then the connection is closed
EXCERPT_CHARACTERS = 500
RETRIED = frozenset({408, 425, 429})  # of 4xx: the receiver asks for another attempt later


class Payload(pydantic.BaseModel):
    """Where to, and what."""

    model_config = pydantic.ConfigDict(
        title="WebhookPayload",
        frozen=True,
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"url": "https://example.com/hook", "body": {"event": "order_paid", "id": 7}}]},
    )

    url: str = pydantic.Field(
        min_length=1, max_length=2048, description="http or https, a public host, no user name or password."
    )
    body: pydantic.JsonValue = pydantic.Field(None, description="Any JSON; sent as it is.")

    @pydantic.field_validator("url")
    @classmethod
    def _acceptable(cls, url: str) -> str:
        # Only what the text itself tells. Where the host leads to is judged when connecting, each time.
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL:
            raise ValueError("not a URL") from None
        if parsed.scheme not in ("http", "https"):
            raise ValueError("the scheme must be http or https")
        if not parsed.raw_host or b"%" in parsed.raw_host:
            raise ValueError("a host is needed, without a zone or escapes")
        if parsed.port is not None and not 0 < parsed.port < 65_536:
            raise ValueError("the port must be from 1 to 65535")
        if parsed.userinfo:
            raise ValueError("a user name or password is not accepted")
        return url

    @pydantic.field_validator("body")
    @classmethod
    def _sendable(cls, body: pydantic.JsonValue) -> pydantic.JsonValue:
        _encode(
            body
        )  # NaN and Infinity pass JsonValue, and so does half a surrogate pair: no JSON that others can read
        return body


class NotDelivered(Exception):
    """This attempt brought no 2xx, but a later one may."""


async def run(payload: Payload, context: Context) -> Any:
    """`{"status": …, "excerpt": …}` of a 2xx answer; raises `NotDelivered` or `NonRetryable` otherwise.

    Delivery is at least once: a receiver tells repeats by the header `Idempotency-Key`, the job's id.
    """
    loopback = context.options.get("webhook_allow_loopback") is True
    client = await context.shared(open_client_with_loopback if loopback else open_client)
    limit_seconds = min(TOTAL_SECONDS, context.timeout_seconds)
    try:
        async with asyncio.timeout(limit_seconds):  # httpx limits each read, so a slow drip would never end
            status, excerpt = await _post(client, payload, context)
    except TimeoutError as error:
        raise NotDelivered(f"no complete answer within {limit_seconds:g} s") from error
    except httpx.HTTPError as error:
        raise NotDelivered(f"no answer: {type(error).__name__}") from error
    if 200 <= status < 300:
        return {"status": status, "excerpt": excerpt}
    if status >= 500 or status in RETRIED:
        raise NotDelivered(f"the receiver answered {status}")
    raise NonRetryable(f"the receiver answered {status}")  # a redirect too: it is not followed, it could lead anywhere


async def _post(client: httpx.AsyncClient, payload: Payload, context: Context) -> tuple[int, str]:
    headers = {
        "Content-Type": "application/json",
        "Idempotency-Key": context.job_id,
        "X-Job-Attempt": str(context.attempt),
    }
    read = bytearray()
    async with client.stream("POST", payload.url, content=_encode(payload.body), headers=headers) as response:
        async for chunk in response.aiter_raw():  # raw: a compressed answer could unfold to gigabytes
            read += chunk
            if len(read) >= READ_BYTES:
                break
    return response.status_code, read.decode(errors="replace")[:EXCERPT_CHARACTERS]


def _encode(body: pydantic.JsonValue) -> bytes:
    try:
        return json.dumps(body, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        raise ValueError("not expressible in JSON: NaN, Infinity, half a surrogate pair, or too deep") from None
