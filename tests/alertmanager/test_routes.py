"""Who gets which alert, as Alertmanager's own tool says for both files."""

import re
from typing import Any

import pytest
import yaml

from tests.alertmanager.running import amtool
from tests.stack.compose import ROOT, services

FILES = ["alertmanager.yml", "email.yml"]
RULES = [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "prometheus/rules").glob("*.yml"))]
ALERTS = {
    (rule["alert"], rule["labels"]["severity"])
    for rules in RULES
    for group in rules["groups"]
    for rule in group["rules"]
    if "alert" in rule
}


def configuration(file: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "alertmanager" / file).read_text())
    return document


@pytest.mark.parametrize("file", FILES)
def test_alertmanager_accepts(file: str) -> None:
    amtool("check-config", f"/it/{file}")


def test_both_files_have_the_same_routes_and_inhibitions() -> None:
    webhooks, email = map(configuration, FILES)
    assert webhooks["route"] == email["route"]
    assert webhooks["inhibit_rules"] == email["inhibit_rules"]
    assert [each["name"] for each in webhooks["receivers"]] == [each["name"] for each in email["receivers"]]


def test_compose_mounts_every_secret_file_and_the_preflight_sees_what_alertmanager_reads() -> None:
    named = {
        name for file in FILES for name in re.findall(r"/run/secrets/(\w+)", (ROOT / "alertmanager" / file).read_text())
    }
    mounted = {
        name: {secret["source"] for secret in services()[name]["secrets"]} for name in ("alertmanager", "preflight")
    }
    assert named == mounted["alertmanager"] <= mounted["preflight"]


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ("severity=page", "page"),
        ("severity=ticket", "ticket"),
        ("severity=heartbeat", "heartbeat"),
        ("severity=warning", "page"),
        ("job=service", "page"),
    ],
)
def test_every_severity_reaches_its_receiver_and_an_unknown_one_wakes_someone(
    file: str, labels: str, receiver: str
) -> None:
    arguments = [f"--config.file=/it/{file}", f"--verify.receivers={receiver}", "alertname=Some", labels]
    amtool("config", "routes", "test", *arguments)


@pytest.mark.parametrize(("alert", "severity"), sorted(ALERTS))
def test_every_alert_of_prometheus_reaches_the_receiver_of_its_severity(alert: str, severity: str) -> None:
    arguments = ["--config.file=/it/alertmanager.yml", f"--verify.receivers={severity}"]
    amtool("config", "routes", "test", *arguments, f"alertname={alert}", f"severity={severity}", "job=service")


def test_every_alert_that_an_inhibition_names_exists() -> None:
    """A renamed alert would no longer be kept back, or keep nothing back, and nobody would notice."""
    known = {name for name, _ in ALERTS}
    for rule in configuration("alertmanager.yml")["inhibit_rules"]:
        for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
            if matcher.startswith("alertname"):
                named = matcher.partition('"')[2].rstrip('"').split("|")
                assert {name for name in named if not name.startswith(".+")} <= known, matcher


@pytest.mark.parametrize("template", ["text", "Subject"])
def test_a_mail_says_what_it_is_about(template: str) -> None:
    mail = configuration("email.yml")["receivers"][0]["email_configs"][0]
    text = mail["headers"]["Subject"] if template == "Subject" else mail["text"]
    said = amtool("template", "render", "--template.glob=/it/*.none", f"--template.text={text}")
    assert said
    assert "no value" not in said
