"""The sink over a real socket, as the process that its container runs."""

import http.client
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sink.server import BODY_LIMIT, VALUE_LIMIT
from tests.stack.compose import ROOT
from tests.waiting import wait_until

Line = dict[str, Any]


class Sink:
    """The running server, and the lines it wrote."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self.process, self._output = process, output
        self.port: int = self.line("sink_listening")["port"]

    def lines(self, message: str) -> list[Line]:
        """Whole lines only: the last may still be on its way."""
        whole = self._output.read_text().rpartition("\n")[0].splitlines()
        return [line for line in map(json.loads, whole) if line["message"] == message]

    def line(self, message: str) -> Line:
        return wait_until(lambda: self.lines(message), f"the sink writes {message}")[-1]

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): text for name, text in headers.items()})
            return connection.getresponse().status
        finally:
            connection.close()


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Sink]:
    output = tmp_path / "lines"
    with output.open("wb") as file:
        process = subprocess.Popen([sys.executable, ROOT / "sink/server.py", "0"], stdout=file, stderr=file)
    try:
        yield Sink(process, output)
    finally:
        process.kill()
        process.wait()


def alert(alertname: str, **changes: Any) -> dict[str, Any]:
    """As Alertmanager sends one."""
    return {
        "status": "firing",
        "labels": {"alertname": alertname, "job": "service", "severity": "page"},
        "annotations": {"summary": f"{alertname} is", "runbook_url": f"docs/runbook.md#{alertname.lower()}"},
        "startsAt": "2026-11-24T17:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "fingerprint": "1",
    } | changes


def notification(*alerts: dict[str, Any], **changes: Any) -> bytes:
    whole = {"version": "4", "receiver": "page", "status": "firing", "groupLabels": {}, "alerts": alerts} | changes
    return json.dumps(whole).encode()


def test_a_notification_is_one_flat_line(sink: Sink) -> None:
    assert sink.ask("POST", "/alerts", notification(alert("TargetDown"))) == 200
    line = sink.line("notification_received")
    assert list(line)[:4] == ["timestamp", "level", "message", "source"]
    wanted = {
        "level": "error",
        "receiver": "page",
        "status": "firing",
        "alertname": "TargetDown",
        "severity": "page",
        "job": "service",
        "summary": "TargetDown is",
        "runbook_url": "docs/runbook.md#targetdown",
        "count": 1,
        "resolved": 0,
        "path": "/alerts",
        "starts_at": "2026-11-24T17:00:00Z",
        "pid": sink.process.pid,
    }
    assert {name: line.get(name) for name in wanted} == wanted
    assert all(isinstance(value, str | int) for value in line.values())


def test_what_differs_between_its_alerts_is_all_named(sink: Sink) -> None:
    ended = alert("WalGrows", status="resolved", labels={"alertname": "WalGrows", "severity": "ticket"})
    started = alert("JobsFail", labels={"alertname": "JobsFail", "severity": "ticket"})
    assert sink.ask("POST", "/", notification(ended, started, receiver="ticket")) == 200
    line = sink.line("notification_received")
    assert (line["alertname"], line["count"], line["resolved"]) == ("WalGrows, JobsFail", 2, 1)
    assert (line["level"], line["severity"]) == ("warning", "ticket")


def test_values_are_one_line_each_and_cut(sink: Sink) -> None:
    annotations = {"summary": "two\nlines, \N{SNOWMAN} and a lone \ud800", "description": "x" * 5000}
    assert sink.ask("POST", "/", notification(alert("A", annotations=annotations))) == 200
    line = sink.line("notification_received")
    assert line["summary"] == annotations["summary"]
    assert len(line["description"]) == VALUE_LIMIT


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no JSON",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b"[" * 200_000,
        notification(),
        notification(alert("A"))[:-1],
        b'{"status": "firing", "receiver": "page", "alerts": [{}, 1]}',
        b'{"status": 1, "receiver": "page", "alerts": [{}]}',
    ],
    ids=lambda body: repr(body[:24]),
)
def test_what_is_no_notification_is_refused_with_a_line_and_the_next_one_taken(sink: Sink, body: bytes) -> None:
    assert sink.ask("POST", "/", body) == 400
    assert sink.line("notification_refused")["level"] == "warning"
    assert sink.ask("POST", "/", notification(alert("A"))) == 200


def test_an_alert_without_labels_is_shown_as_it_is(sink: Sink) -> None:
    assert sink.ask("POST", "/", notification({}, {"labels": None, "annotations": 5})) == 200
    line = sink.line("notification_received")
    assert (line["alertname"], line["severity"], line["count"]) == ("", "", 2)


def test_what_ended_is_no_error(sink: Sink) -> None:
    assert sink.ask("POST", "/", notification(alert("A", status="resolved"), status="resolved")) == 200
    assert (sink.line("notification_received")["level"], sink.line("notification_received")["resolved"]) == ("info", 1)


@pytest.mark.parametrize(("length", "status"), [(str(BODY_LIMIT + 1), 413), ("-1", 411), ("many", 411)])
def test_a_body_beyond_the_limit_or_of_no_length_is_not_read(sink: Sink, length: str, status: int) -> None:
    with socket.create_connection(("127.0.0.1", sink.port), timeout=10) as client:
        client.sendall(f"POST / HTTP/1.1\r\nHost: sink\r\nContent-Length: {length}\r\n\r\n".encode())
        answer = client.makefile("rb").read()  # to its end: the sink closes
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert sink.line("notification_refused")["status_code"] == status


def test_a_body_at_the_limit_is_taken(sink: Sink) -> None:
    body = notification(alert("A"))
    assert sink.ask("POST", "/", body + b" " * (BODY_LIMIT - len(body))) == 200


def test_its_health_is_asked_without_a_line(sink: Sink) -> None:
    assert (sink.ask("GET", "/healthz"), sink.ask("GET", "/else")) == (200, 404)
    assert sink.ask("POST", "/", notification(alert("A"))) == 200
    sink.line("notification_received")
    assert sink.lines("sink_listening") == [sink.line("sink_listening")]


def test_sigterm_ends_it_at_once_also_with_a_connection_open(sink: Sink) -> None:
    with socket.create_connection(("127.0.0.1", sink.port), timeout=10) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: sink\r\nContent-Length: 100\r\n\r\nhalf")
        assert sink.ask("GET", "/healthz") == 200
        sink.process.send_signal(signal.SIGTERM)
        assert sink.process.wait(timeout=10) == 0
