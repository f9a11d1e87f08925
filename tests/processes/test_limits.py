"""What a client may send, and how slowly: the service without its proxy, over sockets."""

import contextlib
import itertools
import json
import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.processes.conftest import StartService
from tests.processes.running import RunningService

IMPATIENT = "tests.processes.impatient"
BOUND_SECONDS = 60

KEY = b"Authorization: Bearer dev-key\r\n"
JSON = b"Content-Type: application/json\r\n"


class Raw:
    """A connection as bytes."""

    def __init__(self, service: RunningService) -> None:
        self.socket = socket.create_connection(("127.0.0.1", service.port), timeout=BOUND_SECONDS)

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def rest(self) -> bytes:
        """All that comes until the service closes; a bound that runs out is a failure."""
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := self.socket.recv(65536):
                received += piece
        return received

    def answer(self) -> bytes:
        """One answer, whole, of a connection that goes on."""
        received = b""
        while not (length := re.search(rb"content-length: (\d+)\r\n.*?\r\n\r\n", received, re.DOTALL)) or len(
            received
        ) < length.end() + int(length[1]):
            piece = self.socket.recv(65536)
            assert piece, received
            received += piece
        return received

    def problem(self) -> dict[str, Any]:
        return problem_of(self.rest())

    def trickle(self, piece: bytes) -> bytes:
        """Sends it again and again, a little faster than any limit, and reads until the service has closed."""
        received = b""
        self.socket.settimeout(0.05)
        with contextlib.suppress(ConnectionError):
            for _ in range(int(BOUND_SECONDS / 0.05)):
                self.socket.sendall(piece)
                with contextlib.suppress(TimeoutError):
                    while more := self.socket.recv(65536):
                        received += more
                    return received
            pytest.fail("a slow sender holds its connection for ever")
        return received


def problem_of(received: bytes) -> dict[str, Any]:
    head, _, body = received.partition(b"\r\n\r\n")
    status = int(head.split()[1])
    assert b"content-type: application/problem+json" in head, received
    assert b"connection: close" in head
    problem: dict[str, Any] = json.loads(body)
    assert problem["status"] == status
    assert f"x-request-id: {problem['request_id']}".encode() in head
    return problem


@contextlib.contextmanager
def connected(service: RunningService) -> Iterator[Raw]:
    raw = Raw(service)
    try:
        yield raw
    finally:
        raw.socket.close()


def peak_kib(pid: int) -> int:
    """The most memory that it has had; 0 where no /proc says."""
    if sys.platform != "linux":
        return 0
    return int(re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[0])


HEADS = {
    "a header of 10 MB": (b"GET /jobs HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 10_000_000, 431),
    "10,000 headers": (b"GET /jobs HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 10_000 + b"\r\n", 431),
    "101 headers": (b"GET /jobs HTTP/1.1\r\n" + b"X: y\r\n" * 101 + b"\r\n", 431),
    "headers of 65 KiB": (b"GET /jobs HTTP/1.1\r\n" + (b"X: " + b"y" * 1024 + b"\r\n") * 65 + b"\r\n", 431),
    "a URL of 9 KiB": (b"GET /jobs?" + b"x" * 9 * 1024 + b" HTTP/1.1\r\n\r\n", 414),
    "a URL of 1 MB": (b"GET /jobs?" + b"x" * 1_000_000, 431),
    "two lengths": (b"POST /jobs HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
    "a length and chunks": (b"POST /jobs HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    "a folded header": (b"GET /jobs HTTP/1.1\r\nX: y\r\n z\r\n\r\n", 400),
    "a space before a colon": (b"GET /jobs HTTP/1.1\r\nX : y\r\n\r\n", 400),
    "chunked, but not last": (b"POST /jobs HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", 400),
    "another protocol": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "CONNECT": (b"CONNECT 10.0.0.1:80 HTTP/1.1\r\nHost: 10.0.0.1:80\r\n\r\n", 400),
}


def test_what_is_no_request_or_too_large_a_head_is_refused_as_a_problem(start_service: StartService) -> None:
    service = start_service(workers=1)
    before = peak_kib(service.worker_pids()[0])
    for name, (head, status) in HEADS.items():
        with connected(service) as raw:
            with contextlib.suppress(ConnectionError):  # it need not be read to its end
                raw.send(head)
            problem = raw.problem()
            assert problem["status"] == status, name
            (line,) = service.lines("request_refused", request_id=problem["request_id"])
            assert (line["status_code"], line["remote_ip"]) == (status, "127.0.0.1"), name
    assert not service.lines("request_finished"), "none of them reached the application"
    assert peak_kib(service.worker_pids()[0]) - before < 16 * 1024, "what is too large is not kept"


def test_a_head_within_the_limits_is_served(start_service: StartService) -> None:
    service = start_service(workers=1)
    with connected(service) as raw:
        raw.send(b"GET /jobs?" + b"x" * 8000 + b" HTTP/1.1\r\n" + KEY)
        raw.send(b"X: y\r\n" * 60 + (b"X: " + b"y" * 1024 + b"\r\n") * 38 + b"Connection: close\r\n\r\n")
        assert raw.rest().startswith(b"HTTP/1.1 200 ")


def test_trailers_are_no_headers_and_are_not_kept(start_service: StartService) -> None:
    service = start_service(workers=1)
    job = service.submit(payload={"seconds": 60}, timeout_seconds=90)
    long_poll = f"GET /jobs/{job['id']} HTTP/1.1\r\nPrefer: wait=30\r\nTransfer-Encoding: chunked\r\n".encode()
    before = peak_kib(service.worker_pids()[0])
    with connected(service) as raw, contextlib.suppress(ConnectionError):
        raw.send(long_poll + KEY + b"\r\n0\r\nX: ")
        for _ in range(300):
            raw.send(b"x" * 100_000)
        assert raw.rest() == b""
    assert peak_kib(service.worker_pids()[0]) - before < 16 * 1024
    with connected(service) as raw:
        raw.send(b"GET /jobs HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n" + KEY + b"\r\n")
        assert raw.rest().startswith(b"HTTP/1.1 401 ")


def test_whoever_sends_too_slowly_is_cut_off(start_service: StartService) -> None:
    service = start_service(workers=1, module=IMPATIENT)
    with connected(service) as raw:
        assert raw.rest() == b"", "a connection that never sends a byte is closed without an answer"
    with connected(service) as raw:
        raw.send(b"GET /jobs HTTP/1.1\r\n")
        assert problem_of(raw.trickle(b"X: y\r\n"))["status"] == 408, "a head without an end"
    with connected(service) as raw:
        assert problem_of(raw.trickle(b"\r\n"))["status"] == 408, "empty lines"
    assert len(service.lines("request_refused", status_code=408)) == 2
    with connected(service) as raw:
        raw.send(b"POST /jobs HTTP/1.1\r\nContent-Length: 1000000\r\n" + KEY + JSON + b"\r\n")
        problem = problem_of(raw.trickle(b" "))
        assert (problem["status"], problem["type"]) == (408, "urn:jobs-service:problem:too-slow")
        assert service.lines("request_finished", request_id=problem["request_id"], status_code=408)
    with connected(service) as raw:
        raw.send(b"POST /jobs HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n")
        assert raw.trickle(b" ").startswith(b"HTTP/1.1 401 "), "answered, and then not listened to for ever"


def test_a_waiting_answer_outlasts_the_limits_of_sending(start_service: StartService) -> None:
    service = start_service(workers=1, module=IMPATIENT)
    submission = b'{"kind": "sleep", "payload": {"seconds": 1}}'
    head = b"POST /jobs HTTP/1.1\r\nPrefer: wait=30\r\nConnection: close\r\nContent-Length: %d\r\n" % len(submission)
    with connected(service) as raw:
        raw.send(head + KEY + JSON + b"\r\n" + submission)
        assert raw.rest().startswith(b"HTTP/1.1 200 ")


def test_a_body_that_comes_after_its_answer_leaves_the_connection_usable(start_service: StartService) -> None:
    service = start_service(workers=1)
    with connected(service) as raw:
        raw.send(b"POST /jobs HTTP/1.1\r\nContent-Length: 9\r\n\r\n")
        assert raw.answer().startswith(b"HTTP/1.1 401 ")
        raw.send(b"too late.GET /jobs HTTP/1.1\r\nConnection: close\r\n" + KEY + b"\r\n")
        assert raw.rest().startswith(b"HTTP/1.1 200 ")


def test_many_idle_and_slow_connections_harm_nobody_and_end(start_service: StartService) -> None:
    service = start_service(workers=1)
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(connected(service)) for _ in range(500)]
        slow = [stack.enter_context(connected(service)) for _ in range(200)]
        for raw, number in zip(slow, itertools.count()):
            raw.send(b"GET /jobs HTTP/1.1\r\n" if number % 2 else b"POST /jobs HTTP/1.1\r\nContent-Length: 9\r\n" + KEY)
        assert {service.ask("POST", "/jobs", {"kind": "sleep"}).status for _ in range(100)} == {202}
        assert service.stop() == 0, "nor do they hold up a stop"
        assert all(raw.rest() == b"" for raw in idle)
