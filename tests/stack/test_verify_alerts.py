"""`make verify`: an alert goes all the way, from Prometheus over Alertmanager to a receiver."""

import subprocess

import pytest

from tests.stack.compose import ROOT
from tests.stack.running import Stack
from tests.waiting import wait_until

pytestmark = pytest.mark.stack


def test_the_heartbeat_of_prometheus_arrives_at_the_sink(stack: Stack) -> None:
    if not stack.local:
        pytest.skip("a deployed stack has no sink: its receivers are real, and docs/alerting.md says how to try them")
    known = subprocess.run(
        ["docker", "compose", "ps", "--all", "--quiet", "sink"], cwd=ROOT, capture_output=True, check=False
    )
    if not known.stdout.strip():
        pytest.skip("no sink runs here (SINK=0)")
    line = wait_until(
        lambda: [line for line in stack.log_lines("sink", "Watchdog") if line["message"] == "notification_received"],
        "the alert Watchdog at the sink; see `docker compose logs sink alertmanager`, and Prometheus at /alerts",
        bound_seconds=120,  # it comes once a minute
    )[-1]
    assert (line["receiver"], line["status"], line["severity"]) == ("heartbeat", "firing", "heartbeat")
    assert line["runbook_url"] == "docs/runbook.md#watchdog"
