"""What Alertmanager keeps back, and that it keeps back nothing else: tried in Alertmanager itself."""

import pytest

from tests.alertmanager.running import Alertmanager, Labels
from tests.waiting import wait_until


def alert(alertname: str, severity: str = "page", **labels: str) -> Labels:
    return {"alertname": alertname, "severity": severity, "job": "service"} | labels


PAGE = alert("StartBudgetBurns", sloth_slo="start-delay")
SERVICE_DOWN = alert("TargetDown", instance="service:8000")
JAEGER_DOWN = alert("TargetDown", job="jaeger", instance="jaeger:8888")

EXPLAINED = [
    (PAGE, alert("StartBudgetBurns", "ticket", sloth_slo="start-delay")),
    (alert("DiskAlmostFull"), alert("DiskFillsUp", "ticket")),
    (SERVICE_DOWN, alert("EventLoopSlow", "ticket", worker="1")),
    (SERVICE_DOWN, alert("AvailabilityBudgetBurns", sloth_slo="availability")),
    (SERVICE_DOWN, alert("AvailabilityBudgetBurns", "ticket", sloth_slo="availability")),
    (SERVICE_DOWN, alert("SubmissionBudgetBurns", sloth_slo="submission-latency")),
    (SERVICE_DOWN, PAGE),
    (SERVICE_DOWN, alert("SubmissionsFail")),
    (SERVICE_DOWN, alert("JobsWaiting")),
    (SERVICE_DOWN, alert("LeasesOverdue")),
    (SERVICE_DOWN, alert("WorkerDown", worker="2")),
    (JAEGER_DOWN, alert("TelemetryBroken", "ticket", job="jaeger", part="storage of spans")),
]

NOT_EXPLAINED = [
    (PAGE, alert("StartBudgetBurns", "ticket", sloth_slo="another")),
    (PAGE, alert("SubmissionBudgetBurns", "ticket", sloth_slo="submission-latency")),
    (PAGE, alert("WalGrows", "ticket")),
    (alert("StartBudgetBurns", "ticket", sloth_slo="start-delay"), PAGE),
    (alert("DiskFillsUp", "ticket"), alert("DiskAlmostFull")),
    (SERVICE_DOWN, alert("DiskAlmostFull")),
    (SERVICE_DOWN, alert("DiskFillsUp", "ticket")),
    (SERVICE_DOWN, alert("QueueFull")),
    (SERVICE_DOWN, alert("AlertsUndelivered", job="alertmanager")),
    (SERVICE_DOWN, JAEGER_DOWN),
    (SERVICE_DOWN, alert("TargetDown", instance="another:8000")),
    (SERVICE_DOWN, {"alertname": "Watchdog", "severity": "heartbeat"}),
    (SERVICE_DOWN, {"alertname": "TelemetryBroken", "severity": "ticket"}),
    (JAEGER_DOWN, alert("SubmissionsFail")),
    (JAEGER_DOWN, alert("EventLoopSlow", "ticket")),
    (alert("WorkerDown"), alert("SubmissionsFail")),
]


def _names(pair: tuple[Labels, Labels]) -> str:
    return ", ".join(f"{labels['alertname']} {labels['severity']} {labels.get('job', '')}" for labels in pair)


@pytest.mark.parametrize("pair", EXPLAINED, ids=_names)
def test_what_another_alert_explains_is_kept_back_for_as_long(
    running: Alertmanager, pair: tuple[Labels, Labels]
) -> None:
    explanation, explained = pair
    running.receives(explanation, explained)
    assert running.inhibited() == [explained]
    running.receives(explained)
    assert running.inhibited() == []


@pytest.mark.parametrize("pair", NOT_EXPLAINED, ids=_names)
def test_what_it_does_not_explain_is_sent(running: Alertmanager, pair: tuple[Labels, Labels]) -> None:
    running.receives(*pair)
    assert pair[1] not in running.inhibited()


def test_what_is_kept_back_is_in_no_message_and_what_is_not_arrives(running: Alertmanager) -> None:
    """Both tickets are of one group, so the message that has the one would have the other."""
    page = alert("Slow", job="other")
    running.receives(page, alert("Slow", "ticket", job="other"), alert("Grows", "ticket", job="other"))
    tickets = wait_until(
        lambda: [line for line in running.sent() if (line["receiver"], line["job"]) == ("ticket", "other")], "a ticket"
    )
    assert [line["alertname"] for line in tickets] == ["Grows"]
    pages = wait_until(lambda: [line for line in running.sent() if line["alertname"] == "Slow"], "the page")
    assert [(line["receiver"], line["path"]) for line in pages] == [("page", "/alert_webhook_url")]


def test_the_heartbeat_goes_its_own_way(running: Alertmanager) -> None:
    running.receives({"alertname": "Watchdog", "severity": "heartbeat"})
    beats = wait_until(lambda: [line for line in running.sent() if line["alertname"] == "Watchdog"], "a heartbeat")
    assert (beats[0]["receiver"], beats[0]["path"]) == ("heartbeat", "/alert_heartbeat_url")
