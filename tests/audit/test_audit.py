"""The audit by the real pip-audit, of an OSV that knows one advisory, one that fails, and one that is not there."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from audit.__main__ import FINDINGS_EXIT_CODE, NOT_ASKED_EXIT_CODE, locks, main, pinned
from tests.processes.running import free_port

ADVISORY = {
    "id": "GHSA-0000-0000-0001",
    "aliases": ["CVE-2026-0001"],
    "summary": "cups can be emptied by strangers",
    "modified": "2026-01-01T00:00:00Z",
    "published": "2026-01-01T00:00:00Z",
    "affected": [
        {
            "package": {"name": "cup", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.2"}]}],
        }
    ],
}


@contextmanager
def osv(status: int = 200) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Its address, and what it was asked."""
    questions: list[tuple[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            questions.append((asked["package"]["name"], asked["version"]))
            body = json.dumps({"vulns": [ADVISORY]} if questions[-1] == ("cup", "1.0") else {}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1/query", questions
        server.shutdown()
        thread.join()


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "requirements.txt"
    path.write_text(
        "cup==1.0 ; python_full_version < '3.0' \\\n    --hash=sha256:00\n"
        "cup==1.2 ; python_full_version >= '3.0' \\\n    --hash=sha256:01\n"
        "saucer[gold]==2.0.post1 \\\n    --hash=sha256:02\n"
    )
    return path


def test_an_advisory_fails_and_says_what_to_do(lock: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with osv() as (url, questions):
        assert main(["--url", url, str(lock)]) == FINDINGS_EXIT_CODE
    assert sorted(questions) == [("cup", "1.0"), ("cup", "1.2"), ("saucer", "2.0.post1")], (
        "of all systems, all versions"
    )
    said = capsys.readouterr().out
    assert "CVE-2026-0001, GHSA-0000-0000-0001: cups can be emptied by strangers" in said
    assert "take cup 1.2 or newer" in said
    assert said.splitlines()[-1] == "audit: 1 advisories about 3 packages of 1 locks"


def test_no_advisory_is_no_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text("cup==1.2\n")
    with osv() as (url, _):
        assert main(["--url", url, "--strict", str(lock)]) == 0
    assert capsys.readouterr().out == "audit: no advisory about 1 packages of 1 locks\n"


@pytest.mark.parametrize("way", ["nobody listens", "it fails"])
def test_a_database_that_cannot_be_asked_is_said_in_one_line_and_fails_if_strict(
    lock: Path, capsys: pytest.CaptureFixture[str], way: str
) -> None:
    with osv(status=503) as (failing, _):
        url = failing if way == "it fails" else f"http://127.0.0.1:{free_port()}/v1/query"
        assert main(["--url", url, str(lock)]) == 0
        (line,) = capsys.readouterr().out.splitlines()
        assert line.startswith(f"AUDIT NOT DONE: nothing is known about 3 packages, as {url} did not answer: ")
        assert main(["--url", url, "--strict", str(lock)]) == NOT_ASKED_EXIT_CODE


def test_every_lock_is_audited_with_all_that_it_pins() -> None:
    names = {path.name for path in locks()}
    assert {"requirements.txt", "requirements-dev.txt", "requirements-image.txt"} <= names
    assert len({path for path in locks() if path.name == "requirements.txt"}) == 2, "the service's and the load test's"
    for path in locks():
        pins = {pin for pin, paths in pinned([path]).items() if paths}
        assert len(pins) == sum("==" in line.partition(";")[0] for line in path.read_text().splitlines()), path
