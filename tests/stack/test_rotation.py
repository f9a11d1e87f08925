"""Keys rotated in the running stack, as docs/configuration.md says, while clients use them: no request is refused.

Marked `restart`, as it disturbs the stack that runs here, though no container is recreated: a file that is written in
place is seen through its mount. It is left as it was. Development's own keys are not touched.
"""

import os
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from service.api.auth import new_key
from tests.stack.compose import ROOT
from tests.stack.running import Stack
from tests.waiting import wait_until

pytestmark = pytest.mark.restart

SEEN_AFTER_SECONDS = 5.0  # what the page says to wait; every process has read the file by then


@pytest.fixture
def keys(stack: Stack) -> Iterator[Path]:
    folder = ROOT / (os.environ.get("SECRETS_DIR") or "secrets/development")
    if not stack.local or folder == ROOT / "secrets/development":
        pytest.skip("development's keys belong to the clone; start a stack with others: make secrets")
    path = folder / "api_keys"
    before = path.read_text()
    yield path
    path.write_text(before)


class Client(threading.Thread):
    def __init__(self, stack: Stack, key: str) -> None:
        super().__init__(daemon=True)
        self.answers: Counter[int] = Counter()
        self.key = key
        self._stack = stack
        self._end = threading.Event()

    def run(self) -> None:
        with httpx.Client(verify=False, base_url=self._stack.host, timeout=30) as client:  # noqa: S501  on loopback
            while not self._end.wait(0.005):
                answer = client.get("/jobs?limit=1", headers={"Authorization": f"Bearer {self.key}"})
                self.answers[answer.status_code] += 1

    def stop(self) -> None:
        self._end.set()
        self.join()

    def goes_on(self) -> None:
        answered = self.answers.total()
        wait_until(lambda: self.answers.total() > answered + 100, "the client goes on")


@contextmanager
def asking(stack: Stack, key: str) -> Iterator[Client]:
    client = Client(stack, key)
    client.start()
    try:
        yield client
    finally:
        client.stop()


def status(stack: Stack, key: str) -> int:
    return stack.outside("GET", "/jobs?limit=1", headers={"Authorization": f"Bearer {key}"}).status_code


def wait_until_seen(path: Path) -> None:
    written = path.stat().st_mtime
    wait_until(lambda: time.time() - written > SEEN_AFTER_SECONDS, "every process has looked at the file")


def test_no_request_is_refused_while_a_key_is_rotated(stack: Stack, keys: Path) -> None:
    (old, old_line), (new, new_line) = (new_key(f"rotated-{each}", "rotated", operator=False) for each in "12")
    mounted_at = keys.stat().st_ino
    with keys.open("a") as file:
        file.write(f"{old_line}\n")
    wait_until_seen(keys)
    assert (status(stack, old), status(stack, new)) == (200, 401)

    with asking(stack, old) as moving, asking(stack, stack.key) as steady:
        with keys.open("a") as file:
            file.write(f"{new_line}\n")
        wait_until_seen(keys)
        moving.key = new
        moving.goes_on()
        script = 'lines=$(grep -v "^rotated-1:" "$0") && printf "%s\\n" "$lines" > "$0"'  # as the page has it
        subprocess.run(["sh", "-c", script, str(keys)], check=True)
        wait_until_seen(keys)
        steady.goes_on()
    assert moving.answers.keys() == steady.answers.keys() == {200}
    assert (status(stack, old), status(stack, new)) == (401, 200)
    assert keys.stat().st_ino == mounted_at, "a new file would not be seen"
