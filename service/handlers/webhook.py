"""POSTs JSON to a URL, guarded against SSRF (see `_guard`)."""

import asyncio
import json
import re
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

_NAME = r"([A-Za-z0-9_-]{1,63}\.)*[A-Za-z][A-Za-z0-9_-]{0,62}\.?"  # what ends in a number would be taken for an address
_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV6 = r"\[[0-9A-Fa-f:.]+\]"  # which of them are addresses, no short pattern tells
_PORT = "(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3})"
URL = re.compile(rf"[Hh][Tt][Tt][Pp][Ss]?://({_NAME}|({_OCTET}\.){{3}}{_OCTET}|{_IPV6})(:{_PORT})?([/?#][!-~]*)?")
"""Only what the text itself tells: OpenAPI can say all of it. Where the host leads to is judged at each connect."""


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
        max_length=2048,
        description="http or https, a public host, no user name or password; in ASCII, as URLs are: names of other "
        "letters in their form that begins with xn--, the rest percent-encoded.",
        json_schema_extra={"pattern": f"^{URL.pattern}$"},
    )
    body: pydantic.JsonValue = pydantic.Field(None, description="Any JSON; sent as it is.")

    @pydantic.field_validator("url")
    @classmethod
    def _acceptable(cls, url: str) -> str:
        if not URL.fullmatch(url):
            raise ValueError("must be http or https, a host without user name or password, in ASCII")
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
    except (httpx.InvalidURL, UnicodeError) as error:  # no IPv6 address in brackets, no name after xn--
        raise NonRetryable("the URL leads nowhere") from error
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
