"""A webhook is a real POST to a real server; loopback is allowed by the option that exists for this."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import httpx
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.job import NonRetryable
from service.domain.ports import Context
from service.handlers.webhook import URL, NotDelivered, Payload, run
from tests.handlers.conftest import Receiver

MakeContext = Callable[..., Context]


@pytest.fixture
def context(make_context: MakeContext) -> Context:
    return make_context(webhook_allow_loopback=True)


def respond(status: int, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"HTTP/1.1 {status} Status", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def test_the_body_arrives_as_json_with_headers_to_tell_repeats(receiver: Receiver, context: Context) -> None:
    result = await run(Payload(url=receiver.url, body={"name": "Zoë", "n": [1, None, 2.5]}), context)
    assert result == {"status": 200, "excerpt": "ok"}
    assert receiver.bodies == ['{"name":"Zoë","n":[1,null,2.5]}'.encode()]
    head = receiver.heads[0]
    assert head.startswith("post /hook http/1.1\r\n")
    assert "content-type: application/json\r\n" in head
    assert f"idempotency-key: {context.job_id}\r\n" in head
    assert "x-job-attempt: 1\r\n" in head
    assert "user-agent: jobs-service\r\n" in head


async def test_jobs_share_one_client_and_its_connection(receiver: Receiver, context: Context) -> None:
    for _ in range(3):
        await run(Payload(url=receiver.url), context)
    assert receiver.bodies == [b"null"] * 3
    assert receiver.connections == 1


@pytest.mark.parametrize("options", [{}, {"webhook_allow_loopback": False}])
async def test_loopback_is_refused_without_the_option(
    receiver: Receiver, make_context: MakeContext, options: dict[str, bool]
) -> None:
    with pytest.raises(NonRetryable, match="not permitted"):
        await run(Payload(url=receiver.url), make_context(**options))
    assert receiver.connections == 0


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_and_fails_the_job(receiver: Receiver, context: Context, status: int) -> None:
    receiver.answer = respond(status, f"Location: {receiver.url}/elsewhere")
    with pytest.raises(NonRetryable, match=str(status)):
        await run(Payload(url=receiver.url), context)
    assert len(receiver.heads) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422])
async def test_a_client_error_fails_the_job(receiver: Receiver, context: Context, status: int) -> None:
    receiver.answer = respond(status)
    with pytest.raises(NonRetryable, match=str(status)):
        await run(Payload(url=receiver.url), context)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
async def test_a_busy_or_broken_receiver_is_worth_a_retry(receiver: Receiver, context: Context, status: int) -> None:
    receiver.answer = respond(status)
    with pytest.raises(NotDelivered, match=str(status)):
        await run(Payload(url=receiver.url), context)


async def test_a_refused_connection_is_worth_a_retry(unused_tcp_port: int, context: Context) -> None:
    with pytest.raises(NotDelivered, match="ConnectError"):
        await run(Payload(url=f"http://127.0.0.1:{unused_tcp_port}/"), context)


@pytest.mark.parametrize(
    "answer", [b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"]
)
async def test_an_answer_that_is_none_is_worth_a_retry(receiver: Receiver, context: Context, answer: bytes) -> None:
    async def then_close(writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()
        writer.close()

    receiver.answer = then_close
    with pytest.raises(NotDelivered, match="RemoteProtocolError"):
        await run(Payload(url=receiver.url), context)


async def test_a_silent_receiver_is_left_after_the_time_limit(receiver: Receiver, make_context: MakeContext) -> None:
    async def never(writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    receiver.answer = never
    with pytest.raises(NotDelivered, match=r"within 0\.2 s"):
        await run(Payload(url=receiver.url), make_context(timeout_seconds=0.2, webhook_allow_loopback=True))


async def test_a_slow_drip_is_left_after_the_time_limit(receiver: Receiver, make_context: MakeContext) -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.01)

    receiver.answer = drip
    with pytest.raises(NotDelivered, match=r"within 0\.2 s"):
        await run(Payload(url=receiver.url), make_context(timeout_seconds=0.2, webhook_allow_loopback=True))


async def test_of_an_endless_answer_only_the_beginning_is_read(receiver: Receiver, context: Context) -> None:
    async def flood(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
        while True:
            writer.write(b"x" * 10_000)
            await writer.drain()

    receiver.answer = flood
    assert await run(Payload(url=receiver.url), context) == {"status": 200, "excerpt": "x" * 500}


async def test_a_compressed_answer_is_not_unfolded(receiver: Receiver, context: Context) -> None:
    receiver.answer = respond(200, "Content-Encoding: gzip", body=b"not gzip at all")
    assert await run(Payload(url=receiver.url), context) == {"status": 200, "excerpt": "not gzip at all"}


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hook",
        "//example.com/",
        "http://",
        "http:///hook",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "unix:///run/docker.sock",
        "http+unix://socket/",
        "javascript:alert(1)",
        "http://user@example.com/",
        "http://user:secret@example.com/",
        "http://example.com:0/",
        "http://example.com:65536/",
        "http://example.com:http/",
        "http://[::1",
        "http://0177.0.0.1/",
        "http://256.1.1.1/",
        "http://2130706433/",
        "http://127.1/",
        "http://0x7f.1/",
        "http://[fe80::1%25eth0]/",
        "http://example..com/",
        "http://example.com:/",
        "http://example.com:080/",
        "http://example.com\\@127.0.0.1/",
        "http://example.com/ a",
        "http://example.com/\n",
        "http://bücher.example/",
        "http://exa mple.com/",
        "http://exam%70le.com/",
        "http://example.com/\r\nHost: other",
        "http://\uff11\uff12\uff17.0.0.1/",
        "http://xn--\u2603/",
        "http://example.com/" + "a" * 2048,
        7,
        None,
    ],
)
def test_what_is_no_public_web_address_is_refused_without_repeating_it(url: Any) -> None:
    with pytest.raises(pydantic.ValidationError) as raised:
        Payload(url=url)
    assert "secret" not in raised.value.errors()[0]["msg"]


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com",
        "HTTPS://EXAMPLE.com:8443/a?b=c#d",
        "http://example.com.?a=[b]",
        "http://xn--bcher-kva.example/",
        "http://192.0.2.1:65535#",
        "http://[2001:db8::1]:80/%zz",
    ],
)
def test_a_web_address_is_accepted_as_it_is(url: str) -> None:
    assert Payload(url=url).url == url


@settings(max_examples=200, deadline=None)
@given(st.from_regex(URL, fullmatch=True).filter(lambda url: len(url) <= 2048))
def test_what_the_pattern_accepts_is_read_alike_by_the_client(url: str) -> None:
    assert Payload(url=url).url == url
    with contextlib.suppress(httpx.InvalidURL):  # an IPv6 address that is none: the pattern does not tell
        read = httpx.URL(url)
        assert read.scheme in ("http", "https")
        assert read.raw_host
        assert not read.userinfo
        assert read.port is None or 0 < read.port < 65_536


@pytest.mark.parametrize("url", ["http://[1:2:3]/", "http://xn--a/"])
async def test_an_address_that_only_looks_like_one_fails_the_job(context: Context, url: str) -> None:
    with pytest.raises(NonRetryable, match="leads nowhere"):
        await run(Payload(url=url), context)


@settings(max_examples=50, deadline=None)
@given(
    st.text(max_size=60),
    st.sampled_from(["", "http://", "https://", "http://xn--", "http://[", "http://a:", "http://a/"]),
)
def test_any_text_is_accepted_or_refused_but_never_a_crash(text: str, before: str) -> None:
    with contextlib.suppress(pydantic.ValidationError):
        Payload(url=before + text)


@pytest.mark.parametrize(
    "body",
    [
        float("nan"),
        {"a": [float("inf")]},
        {"a": -float("inf")},
        "\ud800",
        {"\ud800": 1},
        {1: 2},
        (1, 2),
        object(),
        pytest.param(10**5000, id="more digits than Python prints"),
    ],
)
def test_a_body_that_is_no_json_is_refused(body: Any) -> None:
    with pytest.raises(pydantic.ValidationError):
        Payload(url="http://example.com/", body=body)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400"])
def test_a_number_that_is_none_is_refused_in_json_text_too(number: str) -> None:
    with pytest.raises(pydantic.ValidationError):
        Payload.model_validate_json(f'{{"url": "http://example.com/", "body": [{number}]}}')


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(pydantic.ValidationError):
        Payload.model_validate({"url": "http://example.com/", "method": "GET"})
