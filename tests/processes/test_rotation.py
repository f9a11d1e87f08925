"""Keys are changed while clients use them: no request is refused, over all worker processes."""

import hashlib
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.api.auth import KeyRing, new_key
from service.telemetry.redaction import REDACTED, redact_keys
from tests.processes.conftest import StartService
from tests.processes.connection import Connection
from tests.processes.running import RunningService
from tests.waiting import wait_until


def line_of(key: str, name: str) -> str:
    return f"{name}:ada:{hashlib.sha256(key.encode()).hexdigest()}\n"


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


class Client(threading.Thread):
    """Asks again and again with a key, on new connections, so that all workers answer."""

    def __init__(self, service: RunningService, key: str) -> None:
        super().__init__(daemon=True)
        self.answers: Counter[int] = Counter()
        self.key = key
        self._service = service
        self._end = threading.Event()

    def run(self) -> None:
        while not self._end.wait(0.005):
            self.answers[self._service.ask("GET", "/healthz", headers=bearer(self.key)).status] += 0
            self.answers[self._service.ask("GET", "/jobs?limit=1", headers=bearer(self.key)).status] += 1

    def stop(self) -> None:
        self._end.set()
        self.join()


@contextmanager
def asking(service: RunningService, key: str) -> Iterator[Client]:
    client = Client(service, key)
    client.start()
    try:
        yield client
    finally:
        client.stop()


def statuses_of_all_workers(service: RunningService, key: str) -> set[int]:
    found = set()
    for worker in service.worker_pids():
        with service.only(worker), Connection(service.port) as connection:
            found.add(connection.ask("GET", "/jobs?limit=1", headers=bearer(key)).status)
    return found


def rewrite(path: Path, text: str, meanwhile: Callable[[], object]) -> None:
    """In place, as an editor or `cat >` does it: for a moment the file is empty, then it lacks its end."""
    first, rest = text.splitlines(keepends=True)
    with path.open("w") as file:
        meanwhile()
        file.write(first)
        file.flush()
        meanwhile()
        file.write(rest)


def test_a_key_is_rotated_without_a_refused_request(start_service: StartService, tmp_path: Path) -> None:
    old, new, other = "old-key", "new-key", "other-key"
    keys = tmp_path / "keys"
    keys.write_text(line_of(old, "first") + line_of(other, "other"))
    service = start_service(api_keys_file=keys)
    assert statuses_of_all_workers(service, new) == {401}

    with asking(service, old) as moving, asking(service, other) as steady:
        with keys.open("a") as file:  # 1. the second key, beside the first
            file.write(line_of(new, "second"))
        wait_until(lambda: statuses_of_all_workers(service, new) == {200}, "the new key works everywhere")
        moving.key = new  # 2. the client changes over
        answered = moving.answers[200]
        wait_until(lambda: moving.answers[200] > answered + 100, "the client goes on")

        for _ in range(200):  # 3. the first key leaves; often, so that each worker looks at a file without its end
            rewrite(keys, line_of(new, "second") + line_of(other, "other"), lambda: service.ask("GET", "/healthz"))
        wait_until(lambda: statuses_of_all_workers(service, old) == {401}, "the old key works nowhere")
    assert moving.answers.keys() == steady.answers.keys() == {200}
    assert moving.answers[200] > 100


def scope_of(key: str) -> dict[str, object]:
    return {"headers": [(b"authorization", f"Bearer {key}".encode())]}


def test_a_file_that_is_just_being_written_does_not_count_and_one_left_alone_does_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    path = tmp_path / "keys"
    path.write_text(line_of("one", "one") + line_of("two", "two"))
    keys = KeyRing(path)
    assert keys.caller(scope_of("two"))

    path.write_text(line_of("one", "one"))  # half of what it will be
    now += 1.1
    assert keys.caller(scope_of("two")), "the file has changed less than a second ago"
    path.write_text(line_of("one", "one") + line_of("two", "two") + line_of("three", "three"))
    now += 1.1
    assert keys.caller(scope_of("two"))
    assert not keys.caller(scope_of("three"))
    now += 1.1
    assert keys.caller(scope_of("three")), "the same as at the last look"

    path.write_text(line_of("four", "four"))
    an_hour_ago = time.time() - 3600
    os.utime(path, (an_hour_ago, an_hour_ago))
    now += 1.1
    assert keys.caller(scope_of("four")), "old, though this is the first look at it"
    path.write_text("")
    os.utime(path, (an_hour_ago, an_hour_ago))
    now += 2.2
    assert keys.caller(scope_of("four")), "a file without keys leaves the last ones in force"


def test_a_new_key_has_the_form_that_logs_leave_out() -> None:
    for key in (new_key("ada", "ada", operator=False)[0] for _ in range(100)):
        assert redact_keys(f"/jobs/{key}?q={key}") == f"/jobs/{REDACTED}?q={REDACTED}"
