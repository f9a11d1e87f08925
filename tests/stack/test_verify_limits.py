"""`make verify`: what a client may not do at the edge. Bytes as they are: HTTP clients would put them right."""

import json
import socket
import ssl
import uuid
from contextlib import suppress
from typing import Any

import httpx
import pytest

from tests.stack.running import Stack
from tests.waiting import wait_until

pytestmark = pytest.mark.stack

BOUND_SECONDS = 60


def exchange(stack: Stack, request: bytes) -> bytes:
    """All that comes back over HTTP/1.1 until the proxy closes; the request asks for that, or is refused."""
    address = httpx.URL(stack.host)
    trust = ssl.create_default_context()
    if stack.local:  # a certificate of an authority that nobody knows
        trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((address.host, address.port or 443), timeout=BOUND_SECONDS) as plain,
        trust.wrap_socket(plain, server_hostname=address.host) as secure,
    ):
        received = b""
        with suppress(ConnectionError, ssl.SSLError):
            secure.sendall(request)
        with suppress(ConnectionError, ssl.SSLError):
            while piece := secure.recv(65536):
                received += piece
        return received


def head(stack: Stack, path: str, *headers: str, method: str = "GET") -> bytes:
    address = httpx.URL(stack.host)
    host = address.netloc.decode()
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {stack.key}", *headers]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()


def status(answer: bytes) -> int:
    return int(answer.split(maxsplit=2)[1])


def problem(answer: bytes) -> dict[str, Any]:
    top, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in top.lower(), answer
    found: dict[str, Any] = json.loads(body)
    return found


CLOSE = "Connection: close"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (["X: " + "x" * 21_000], 431),
        (["X: " + "x" * 10_000_000], 431),
        (["Content-Length: 5", "Content-Length: 6"], 400),
        (["Transfer-Encoding: gzip, chunked"], 501),
        (["X : a space before the colon"], 400),
        (["Host: another"], 400),
    ],
)
def test_what_breaks_the_protocol_is_refused_before_the_service(
    stack: Stack, headers: list[str], expected: int
) -> None:
    """By Go's HTTP server, in plain text: Caddy's handlers do not see it."""
    answer = exchange(stack, head(stack, "/jobs", *headers, method="POST"))
    assert status(answer) == expected
    assert b"server:" not in answer.lower().partition(b"\r\n\r\n")[0]


def test_more_than_a_hundred_headers_are_refused_as_a_problem(stack: Stack) -> None:
    answer = exchange(stack, head(stack, "/jobs", *["X: y"] * 200, CLOSE))
    assert (status(answer), problem(answer)["status"]) == (431, 431)


def test_a_url_beyond_the_limit_is_refused_as_a_problem(stack: Stack) -> None:
    answer = exchange(stack, head(stack, f"/jobs?{'x' * 9000}", CLOSE))
    assert (status(answer), problem(answer)["status"]) == (414, 414)


def test_a_length_beside_chunks_smuggles_nothing(stack: Stack) -> None:
    """The chunks count, for Caddy and for the service behind it: the rest is no request of anybody else's."""
    request_id = f"smuggled-{uuid.uuid4()}"
    smuggled = head(stack, "/metrics", f"X-Request-ID: {request_id}", CLOSE)
    both = ["Content-Type: application/json", "Content-Length: 5", "Transfer-Encoding: chunked"]
    answer = exchange(stack, head(stack, "/jobs", *both, method="POST") + b"0\r\n\r\n" + smuggled)
    assert status(answer) == 400
    stack.outside("GET", "/jobs", headers={"X-Request-ID": f"after-{request_id}"})
    wait_until(lambda: stack.log_lines("service", f"after-{request_id}"), "the line of a later request")
    assert not stack.log_lines("service", request_id)


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "TRACK", "DEBUG", "PATCH", "PROPFIND"])
def test_other_methods_reach_nothing(stack: Stack, method: str) -> None:
    answer = exchange(stack, head(stack, "/jobs", CLOSE, method=method))
    assert status(answer) in {400, 404, 405}
    assert problem(answer)["status"] == status(answer)
    assert stack.key.encode() not in answer, "TRACE would give the key back"


def test_the_client_in_the_log_is_the_one_that_connected(stack: Stack) -> None:
    request_id = f"verify-{uuid.uuid4()}"
    spoofed = {
        "X-Request-ID": request_id,
        "X-Forwarded-For": "192.0.2.66",
        "X_Forwarded_For": "192.0.2.66",
        "X-Real-IP": "192.0.2.66",
        "Forwarded": "for=192.0.2.66;proto=http",
        "X-Forwarded-Proto": "ftp",
        "X-Forwarded-Host": "evil.example",
    }
    stack.outside("GET", "/jobs?limit=1", headers=spoofed)
    (line,) = wait_until(lambda: stack.log_lines("service", request_id), "the line of the request")
    assert line["remote_ip"] != "192.0.2.66"
    assert line["scheme"] == "https"


def test_a_client_cannot_take_away_what_the_proxy_adds(stack: Stack) -> None:
    """`Connection` names headers that a proxy shall not pass on."""
    request_id = f"verify-{uuid.uuid4()}"
    named = "Connection: close, X-Request-ID, X-Forwarded-For, X-Forwarded-Proto, Authorization"
    answer = exchange(stack, head(stack, "/jobs?limit=1", f"X-Request-ID: {request_id}", named))
    assert status(answer) == 200
    (line,) = wait_until(lambda: stack.log_lines("service", request_id), "the line of the request")
    assert line["scheme"] == "https"


@pytest.mark.parametrize("given", ["a{{.Host}}", 'a"b', "a b", "x" * 129, "é", "a, b"])
def test_a_malformed_request_id_is_replaced(stack: Stack, given: str) -> None:
    for path in ("/jobs?limit=1", "/metrics"):
        answer = exchange(stack, head(stack, path, f"X-Request-ID: {given}", CLOSE))
        assert given.encode() not in answer
        assert status(answer) in {200, 404}
