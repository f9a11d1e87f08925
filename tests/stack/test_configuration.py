"""The configuration of the programs around the service, judged by those programs, and the alerts' house rules."""

import re
import subprocess
from typing import Any

import pytest
import yaml

from service.domain.ports import Stats
from service.telemetry.telemetry import Telemetry
from tests.stack.compose import ROOT, require_engine, services

RULES = [
    rule
    for path in sorted((ROOT / "prometheus/rules").glob("*.yml"))
    for group in yaml.safe_load(path.read_text())["groups"]
    for rule in group["rules"]
]
ALERTS = [rule for rule in RULES if "alert" in rule]
CASES = [
    case
    for path in sorted((ROOT / "prometheus/tests").glob("*.yml"))
    for case in yaml.safe_load(path.read_text())["tests"]
]
ALWAYS_FIRES = {"Watchdog": "its silence is the alarm"}
RUNBOOK = (ROOT / "docs/runbook.md").read_text()

JUDGES = {
    "Prometheus its configuration": ("prometheus", "promtool check config --lint=all --lint-fatal /it/prometheus.yml"),
    "promtool the rules": (
        "prometheus",
        "promtool check rules --lint=all --lint-fatal /it/rules/slo.yml /it/rules/service.yml"
        " /it/rules/stack.yml /it/rules/backup.yml",
    ),
    "promtool the tests of the rules": (
        "prometheus",
        "promtool test rules /it/tests/slo.yml /it/tests/service.yml /it/tests/stack.yml /it/tests/backup.yml",
    ),
    "Alertmanager its configuration": ("alertmanager", "amtool check-config /it/alertmanager.yml"),
    "Caddy its configuration": ("caddy", "caddy adapt --validate --config /it/Caddyfile"),
    "Caddy the file's format": ("caddy", "caddy fmt --diff /it/Caddyfile"),
}


@pytest.mark.parametrize("judgement", JUDGES)
def test_accepts(judgement: str) -> None:
    require_engine()
    name, command = JUDGES[judgement]
    program, *arguments = command.split()
    image = services()[name]["image"]
    container = ["docker", "run", "--rm", "--pull=never", "--network=none", f"--volume={ROOT / name}:/it:ro"]
    found = subprocess.run(
        [*container, f"--entrypoint={program}", image, *arguments], capture_output=True, text=True, check=False
    )
    if "No such image" in found.stderr or "Unable to find image" in found.stderr:
        pytest.skip(f"{image} is not on this machine yet: docker compose pull {name}")
    assert found.returncode == 0, found.stdout + found.stderr


def test_no_file_of_rules_or_tests_is_left_out() -> None:
    for folder in ("rules", "tests"):
        for path in (ROOT / "prometheus" / folder).glob("*.yml"):
            assert any(f"/it/{folder}/{path.name}" in command for _, command in JUDGES.values()), path


async def test_promtool_finds_nothing_wrong_with_the_metrics() -> None:
    require_engine()

    async def stats() -> Stats:
        return Stats(jobs={})

    telemetry = Telemetry(kinds=("sleep",), routes=(("POST", "/jobs"),), version="1", sqlite_version="3")
    text = (await telemetry.exposition("", stats))[0]
    command = [
        "docker",
        "run",
        "--rm",
        "-i",
        "--pull=never",
        "--entrypoint=promtool",
        services()["prometheus"]["image"],
    ]
    found = subprocess.run([*command, "check", "metrics"], input=text, capture_output=True, check=False)  # noqa: ASYNC221
    if b"No such image" in found.stderr or b"Unable to find image" in found.stderr:
        pytest.skip("the image is not on this machine yet: docker compose pull prometheus")
    assert (found.returncode, found.stdout + found.stderr) == (0, b"")


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: f"{rule['alert']}-{rule['labels'].get('severity')}")
def test_every_alert_says_who_looks_and_where_to_read_on(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"page", "ticket", "heartbeat"}
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"]
    assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{rule['alert'].lower()}"


def test_alerts_runbook_and_tests_are_three_lists_of_the_same_names() -> None:
    alerts = {rule["alert"] for rule in ALERTS}
    assert set(re.findall(r"^## (\w+)$", RUNBOOK, re.MULTILINE)) == alerts
    fires: set[str] = set()
    silent: set[str] = set()
    for case in (case for test in CASES for case in test.get("alert_rule_test", [])):
        (fires if case.get("exp_alerts") else silent).add(case["alertname"])
    assert fires == alerts, "each has a promtool test that lets it fire"
    assert silent == alerts - ALWAYS_FIRES.keys(), "and one that keeps it silent"


def test_the_runbook_says_for_each_what_it_means_where_to_look_and_what_to_do() -> None:
    for name, section in re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", RUNBOOK, re.MULTILINE | re.DOTALL):
        assert "**Means** (" in section, name
        assert "**Look**" in section or "| look |" in section, name
        assert "**Do**" in section or "| do |" in section, name
