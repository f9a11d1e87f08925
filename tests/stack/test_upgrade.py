"""`make upgrade` while a client submits and asks: nothing fails, whatever the image is like, wherever it is broken off.

Marked `upgrade`, as it replaces containers of the stack that runs here. CI_FULL=1 makes ten upgrades instead of one,
breaks one off at each step, and lets one fail half-way.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.stack.compose import ROOT
from tests.stack.running import Stack
from tests.waiting import wait_until
from upgrade.client import Client
from upgrade.stack import Stack as Containers
from upgrade.trial import HEADER, Trial

RATE = 100.0  # requests a second: three of four submit, the fourth asks for an earlier job
FULL = os.environ.get("CI_FULL") == "1"
UPGRADES = 10 if FULL else 1

STEPS = {
    "service-next starts": True,
    "Caddy sees service-next": FULL,
    "service ends its jobs": True,
    "Caddy sees service …": FULL,
    "service-next ends its jobs": FULL,
}

# What `serve` is in images that are no good. All other commands are the service's.
BAD = {
    "ends": "exit 1",
    "never gets ready": "exec sleep infinity",
}

pytestmark = pytest.mark.upgrade


@pytest.fixture(scope="module")
def containers() -> Containers:
    return Containers(ROOT)


@contextmanager
def clients(stack: Stack) -> Iterator[Client]:
    """Meanwhile a client submits and asks. Nothing of it may fail, and every job it was promised must end well."""
    with Client(stack.host, stack.key, RATE) as client:
        yield client
    seen = client.figures
    print(f"{len(seen.waits)} requests, {seen.failed.total()} failed, longest wait {seen.longest_wait:.2f} s")
    assert not seen.failed
    promised = set(seen.acknowledged)
    assert len(promised) > len(seen.waits) / 2
    wait_until(lambda: promised <= succeeded(stack, promised), "each acknowledged job has succeeded")


def succeeded(stack: Stack, promised: set[str]) -> set[str]:
    """Of the newest jobs, as many as it takes to come to the oldest of those promised."""
    found: set[str] = set()
    path = "/jobs?state=succeeded&limit=200"
    oldest = min(promised)  # their ids sort by time
    while path:
        answer = stack.outside("GET", path)
        assert answer.status_code == 200
        page = answer.json()
        found |= {job["id"] for job in page["items"]}
        path = f"/jobs?state=succeeded&limit=200&cursor={page['next']}" if page["next"] and min(found) > oldest else ""
    return found


def upgrade(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What `make upgrade` runs, but for the build and the client."""
    command = [sys.executable, "-m", "upgrade", "--rate", "0", *arguments]
    found = subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False)
    print(found.stdout, found.stderr, sep="")
    return found


def serving(containers: Containers) -> str:
    """The id of the container that serves, with no other beside it."""
    assert containers.instance("service-next") is None
    service = containers.instance("service")
    assert service
    assert service.serves
    return service.id


def test_no_request_fails_while_the_service_is_upgraded(stack: Stack, containers: Containers) -> None:
    trials = []
    for number in range(1, UPGRADES + 1):
        before = serving(containers)
        with clients(stack) as client:
            started = time.monotonic()
            assert upgrade().returncode == 0
            trials.append(Trial(number, time.monotonic() - started, client.figures))
        assert serving(containers) != before
    print(HEADER, *trials, sep="\n")


@pytest.mark.parametrize("what", BAD)
def test_an_image_is_refused_whose_serve(stack: Stack, containers: Containers, what: str) -> None:
    before = serving(containers)
    good = containers.image_id(containers.image)
    build(containers, containers.image, BAD[what])  # under the name that the stack uses, as `make upgrade` does
    try:
        with clients(stack):
            refused = upgrade()
        assert refused.returncode == 1
        assert f"{containers.image} is refused; the version before goes on serving, untouched." in refused.stderr
        assert serving(containers) == before
        assert containers.image_id(containers.image) == good, "the next `docker compose up` would start the refused one"
    finally:
        containers.tag(good, containers.image)


def test_an_image_that_is_not_there_is_refused(stack: Stack, containers: Containers) -> None:
    before = serving(containers)
    refused = upgrade(TAG="never-built")
    assert refused.returncode == 1
    assert "There is no image" in refused.stderr
    assert serving(containers) == before


@pytest.mark.skipif(not FULL, reason="two minutes: CI_FULL=1")
def test_a_service_that_does_not_start_a_second_time_leaves_the_new_instance_serving(
    stack: Stack, containers: Containers
) -> None:
    made = containers.image.rpartition(":")[0] + ":starts-once"
    build(containers, made, "[ -e /data/started ] && exit 1; touch /data/started; exec python -m service serve")
    try:
        with clients(stack):
            failed = upgrade(TAG="starts-once")
            assert failed.returncode == 1
            assert "service-next serves meanwhile" in failed.stderr
            following = containers.instance("service-next")
            assert following
            assert following.serves
            assert upgrade().returncode == 0, "the good image takes its place again"
        serving(containers)
    finally:
        subprocess.run(
            ["docker", "compose", "exec", "-T", "service", "rm", "-f", "/data/started"], cwd=ROOT, check=False
        )
        subprocess.run(["docker", "image", "rm", "--force", made], capture_output=True, check=False)


@pytest.mark.parametrize("step", [step for step, now in STEPS.items() if now])
def test_an_upgrade_that_is_broken_off_is_brought_to_its_end_by_the_next(
    stack: Stack, containers: Containers, step: str
) -> None:
    before = serving(containers)
    with clients(stack):
        code, said = broken_off_at(step)
        assert (code, "Run it again" in said) == (130, True), said
        assert upgrade().returncode == 0
    assert serving(containers) != before


def broken_off_at(step: str) -> tuple[int, str]:
    """Ctrl-C goes to all processes of the terminal. Meanwhile a second upgrade is kept out."""
    with subprocess.Popen(
        [sys.executable, "-m", "upgrade", "--rate", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as running:
        assert running.stdout
        said = ""
        while step not in said and (more := os.read(running.stdout.fileno(), 1000)):
            said += more.decode()
        assert step in said, said
        second = upgrade()
        assert (second.returncode, "Another upgrade" in second.stderr) == (1, True)
        os.killpg(running.pid, signal.SIGINT)
        said += running.stdout.read().decode()
    return running.returncode, said


def build(containers: Containers, name: str, serve: str) -> None:
    """From the image of the stack, one that differs in the command `serve` alone."""
    base = containers.image.rpartition(":")[0] + ":good"  # a Dockerfile names no image by its id
    containers.tag(containers.image, base)
    script = f'[ "$1" = serve ] || exec python -m service "$@"; {serve}'
    entry = json.dumps(["sh", "-c", script, "service"])
    subprocess.run(
        ["docker", "build", "--quiet", "--tag", name, "-"],
        input=f'FROM {base}\nENTRYPOINT {entry}\nCMD ["serve"]\n',
        check=True,
        capture_output=True,
        text=True,
    )
