"""The client of an upgrade: what it counts as failed, and from when it measures a wait."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.waiting import wait_until
from upgrade.client import Client, Figures

Behaviour = Callable[[BaseHTTPRequestHandler, int], None]
"""What is done with a request, and how many came before."""


def answer(request: BaseHTTPRequestHandler, status: int, document: object) -> None:
    body = json.dumps(document).encode()
    request.send_response(status)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


def well(request: BaseHTTPRequestHandler, number: int) -> None:
    if request.command == "POST":
        answer(request, 202, {"id": f"job-{number}"})
    else:
        answer(request, 200, {"id": request.path.rpartition("/")[2]})


@contextmanager
def server(behaviour: Behaviour) -> Iterator[str]:
    numbers = iter(range(1_000_000))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            behaviour(self, next(numbers))

        do_POST = do_GET  # noqa: N815  the name that the library calls

        def log_message(self, format: str, *values: object) -> None:  # noqa: A002  so it is named there
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.daemon_threads = True
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{running.server_port}"
        finally:
            running.shutdown()
            thread.join()


def seen(behaviour: Behaviour, count: int = 40) -> Figures:
    with server(behaviour) as host:
        with Client(host, "key", rate=200) as client:
            wait_until(lambda: len(client.figures.waits) >= count, "so many requests were answered")
        return client.figures


def test_right_answers_are_no_failures() -> None:
    figures = seen(well)
    assert not figures.failed
    assert len(figures.waits) >= 40
    assert len(set(figures.acknowledged)) > len(figures.waits) / 2


@pytest.mark.parametrize(
    ("status", "outcome"), [(502, "POST 502"), (503, "POST 503"), (429, "POST 429"), (200, "POST 200")]
)
def test_any_other_answer_is_one(status: int, outcome: str) -> None:
    figures = seen(lambda request, number: answer(request, status, {"id": "x"}))
    assert figures.failed == {outcome: len(figures.waits)}
    assert not figures.acknowledged


def test_a_connection_that_breaks_is_one() -> None:
    def breaks(request: BaseHTTPRequestHandler, number: int) -> None:
        request.close_connection = True  # without an answer

    figures = seen(breaks)
    assert figures.failed.total() == len(figures.waits)


def test_another_job_than_the_one_asked_for_is_one() -> None:
    def mixes(request: BaseHTTPRequestHandler, number: int) -> None:
        well(request, number) if request.command == "POST" else answer(request, 200, {"id": "another"})

    assert set(seen(mixes).failed) == {"GET answered with another job"}


def test_a_slow_answer_lowers_no_rate_and_is_a_wait_of_its_whole_time() -> None:
    released = threading.Event()

    def slow_once(request: BaseHTTPRequestHandler, number: int) -> None:
        if number == 0:
            released.wait()
        well(request, number)

    with server(slow_once) as host, Client(host, "key", rate=200) as client:
        wait_until(lambda: len(client.figures.waits) >= 40, "the others are answered meanwhile")
        released.set()
    assert client.figures.longest_wait > 39 / 200, "as long as the others took to become due"
    assert not client.figures.failed
