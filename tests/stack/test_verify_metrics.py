"""`make verify`: what Prometheus knows."""

import pytest

from tests.stack.running import Stack
from tests.stack.story import SUBMISSIONS, Story, finite, nothing_wrong, submit
from tests.waiting import wait_until

pytestmark = pytest.mark.stack


def test_the_counter_of_submissions_grew(story: Story, stack: Stack) -> None:
    wait_until(
        lambda: (stack.value(SUBMISSIONS) or 0) >= story.submissions_before + 1,
        f"{SUBMISSIONS} exceeds {story.submissions_before}: all workers must be in the service's /metrics",
    )


def test_the_latency_histogram_leads_to_the_trace(stack: Stack) -> None:
    """A bucket keeps its latest exemplar only, so under traffic ours may be replaced before the scrape: three tries."""
    for _ in range(3):
        trace_id = submit(stack).json()["trace_id"]
        try:
            wait_until(lambda: trace_id in _exemplars(stack), "an exemplar", bound_seconds=15)  # noqa: B023
        except AssertionError:
            continue
        return
    pytest.fail("no exemplar of job_submit_seconds in Prometheus: is --enable-feature=exemplar-storage set?")


def _exemplars(stack: Stack) -> set[str]:
    now = float(stack.from_prometheus("query", query="time()")["result"][1])
    series = stack.from_prometheus("query_exemplars", query="job_submit_seconds_bucket", start=now - 120, end=now + 60)
    return {exemplar["labels"].get("trace_id", "") for one in series for exemplar in one["exemplars"]}


def test_every_target_is_up(stack: Stack) -> None:
    def down() -> list[str]:
        targets = stack.from_prometheus("targets")["activeTargets"]
        return [f"{t['labels']['job']}: {t['lastError'] or t['health']}" for t in targets if t["health"] != "up"]

    nothing_wrong(down, "see `docker compose ps` and docs/runbook.md#targetdown")


def test_every_worker_is_in_the_metrics(stack: Stack) -> None:
    def silent() -> list[str]:
        workers = stack.from_prometheus("query", query="worker_up")["result"]
        if not workers:
            return ["worker_up has no series"]
        return [f"worker {each['metric']['worker']} is silent" for each in workers if each["value"][1] != "1"]

    nothing_wrong(silent, "see docs/runbook.md#workerdown")


def test_every_rule_is_healthy_and_every_recording_rule_finite(stack: Stack) -> None:
    def wrong() -> list[str]:
        rules = [rule for group in stack.from_prometheus("rules")["groups"] for rule in group["rules"]]
        ill = [f"{rule['name']}: {rule.get('lastError') or rule['health']}" for rule in rules if rule["health"] != "ok"]
        names = {rule["name"] for rule in rules if rule["type"] == "recording"}
        empty = [name for name in names if not finite(stack.from_prometheus("query", query=name)["result"])]
        return ill + [f"{name}: no finite value" for name in empty] + (["no rule"] if not rules else [])

    nothing_wrong(wrong, "open Prometheus at /rules")


def test_prometheus_knows_its_alertmanager(stack: Stack) -> None:
    known = stack.from_prometheus("alertmanagers")
    assert known["activeAlertmanagers"], f"Prometheus sends alerts to nobody: {known}"
    assert stack.value('alertmanager_build_info{job="alertmanager"}') == 1
