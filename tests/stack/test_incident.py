"""Two incidents in the running stack, from their cause to whoever is woken: a slow disk, and a service that is gone.

Marked `incident`, as it disturbs the stack that runs here; .ci/run includes it with CI_FULL=1. Prometheus gets the
rules with all windows and waits divided, so that an hour is three minutes; Alertmanager's configuration is as it is.
"""

import itertools
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from slo import shortened
from slo.document import read, seconds
from tests.stack.compose import ROOT
from tests.stack.running import Stack
from tests.waiting import wait_until

pytestmark = pytest.mark.incident

DIVISOR = 20
RATE = 5  # submissions a second
DELIVERY_SECONDS = 90  # two evaluations, Alertmanager's group_wait, and some for a busy machine

# Runs in the service's container: like a disk that takes long over each commit, it keeps the writers' lock.
SLOW_DISK = """
import fcntl, select, sys
with open("/data/jobs.db.lock") as file:
    while not select.select([sys.stdin], [], [], 0.05)[0]:
        fcntl.flock(file, fcntl.LOCK_EX)
        select.select([sys.stdin], [], [], 0.9)
        fcntl.flock(file, fcntl.LOCK_UN)
"""


def compose(*arguments: str, **environment: str) -> None:
    subprocess.run(
        ["docker", "compose", *arguments], cwd=ROOT, env=os.environ | environment, check=True, capture_output=True
    )


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The stack with a Prometheus that waits for less, and with no memory of earlier alerts."""
    folder = tmp_path_factory.mktemp("prometheus")
    for path in (*shortened.write(ROOT / "prometheus", folder, DIVISOR), folder, folder / "rules"):
        path.chmod(0o755)  # Prometheus is another user
    files = ["-f", "compose.yaml", "-f", "tests/stack/incident.yaml"]
    # Without --renew-anon-volumes compose mounts the old container's volume over the new one's tmpfs.
    recreate = ["up", "--detach", "--no-deps", "--force-recreate", "--renew-anon-volumes", "--wait"]
    compose(*files, *recreate, "alertmanager", INCIDENT_PROMETHEUS=str(folder))
    compose(*files, *recreate, "prometheus", INCIDENT_PROMETHEUS=str(folder))
    try:
        yield
    finally:
        compose(*recreate, "alertmanager", "prometheus")


@pytest.fixture
def stack(stack: Stack) -> Stack:
    assert stack.local, "an incident is made in the stack on this machine only"
    return stack


@pytest.mark.usefixtures("impatient")
def test_a_slow_disk_burns_the_budget_and_wakes_someone(stack: Stack) -> None:
    """Submissions succeed, each too late: only the objective notices."""
    long = seconds(read().windows["page"][0].long) / DIVISOR
    quiet = "what burned the budget before is over"
    wait_until(lambda: firing(stack, "SubmissionBudgetBurns", "page") is None, quiet, bound_seconds=2 * long)
    with slow_disk(), submissions(stack):
        began = datetime.now(UTC)
        alert = wait_until(
            lambda: firing(stack, "SubmissionBudgetBurns", "page"), "the page for the budget", bound_seconds=long + 60
        )
        took = (datetime.now(UTC) - began).total_seconds()
        print(f"fired after {took:.0f} s of a window of {long:.0f} s: {alert['annotations']['summary']}")
        told = wait_until(
            lambda: received(stack, "SubmissionBudgetBurns", began),
            "the page at the sink",
            bound_seconds=DELIVERY_SECONDS,
        )
    assert datetime.fromisoformat(alert["activeAt"]) > began
    assert told["severity"] == "page"
    assert told["runbook_url"] == "docs/runbook.md#submissionbudgetburns"
    assert firing(stack, "SubmissionsFail", "page") is None
    assert firing(stack, "TargetDown", "page") is None


@pytest.mark.usefixtures("impatient")
def test_a_service_that_is_gone_wakes_someone(stack: Stack) -> None:
    began = datetime.now(UTC)
    compose("stop", "service")
    try:
        wait_until(lambda: firing(stack, "TargetDown", "page"), "the page for the target", bound_seconds=60)
        told = wait_until(
            lambda: received(stack, "TargetDown", began), "the page at the sink", bound_seconds=DELIVERY_SECONDS
        )
    finally:
        compose("up", "--detach", "--no-deps", "--wait", "service")
    assert (told["severity"], told["job"]) == ("page", "service")
    wait_until(lambda: firing(stack, "TargetDown", "page") is None, "the end of it", bound_seconds=60)


@contextmanager
def slow_disk() -> Iterator[None]:
    command = ["docker", "compose", "exec", "-T", "service", "python", "-c", SLOW_DISK]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE) as holder:
        try:
            yield
            assert holder.poll() is None, "the disk was not slow until the end"
        finally:
            assert holder.stdin
            holder.stdin.close()
            holder.wait(30)


@contextmanager
def submissions(stack: Stack) -> Iterator[None]:
    """A steady trickle, each in a thread of its own: a slow one delays no other."""
    enough = threading.Event()
    senders: list[threading.Thread] = []

    def submit() -> None:
        stack.outside("POST", "/jobs", json={"kind": "sleep", "payload": {"seconds": 0.01}}, timeout=30)

    def pace() -> None:
        began = time.monotonic()
        for number in itertools.count(1):
            senders.append(threading.Thread(target=submit))
            senders[-1].start()
            if enough.wait(max(0.0, began + number / RATE - time.monotonic())):
                return

    pacer = threading.Thread(target=pace)
    pacer.start()
    try:
        yield
    finally:
        enough.set()
        pacer.join()
        for sender in senders:
            sender.join()


def firing(stack: Stack, alert: str, severity: str) -> Any:
    """The alert as Prometheus has it, or None."""
    return next(
        (
            found
            for found in stack.from_prometheus("alerts")["alerts"]
            if found["labels"]["alertname"] == alert
            and found["labels"]["severity"] == severity
            and found["state"] == "firing"
        ),
        None,
    )


def received(stack: Stack, alert: str, since: datetime) -> Any:
    """What the sink was told of the alert, or None."""
    lines = [line for line in stack.log_lines("sink", alert) if datetime.fromisoformat(line["timestamp"]) > since]
    return next((line for line in lines if line["alertname"] == alert and line["status"] == "firing"), None)
