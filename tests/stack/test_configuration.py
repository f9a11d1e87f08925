"""The configuration of the programs around the service, judged by those programs, and the alerts' house rules."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.stack.compose import ROOT, require_engine, services

RULES = yaml.safe_load((ROOT / "prometheus/rules/service.yml").read_text())
ALERTS = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"] if "alert" in rule}
RUNBOOK = (ROOT / "docs/runbook.md").read_text()
DASHBOARDS = sorted((ROOT / "grafana/dashboards").glob("*.json"))

JUDGES = {
    "Prometheus its configuration": ("prometheus", "promtool check config --lint=all --lint-fatal /it/prometheus.yml"),
    "promtool the rules": ("prometheus", "promtool check rules --lint=all --lint-fatal /it/rules/service.yml"),
    "promtool the tests of the rules": ("prometheus", "promtool test rules /it/tests/service.yml"),
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


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_says_who_looks_and_where_to_read_on(alert: str) -> None:
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{alert.lower()}"
    assert f"\n## {alert}\n" in RUNBOOK, f"docs/runbook.md lacks the heading `## {alert}`"


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_is_tested_firing_and_silent(alert: str) -> None:
    cases = yaml.safe_load((ROOT / "prometheus/tests/service.yml").read_text())["tests"]
    tried = [case for test in cases for case in test.get("alert_rule_test", []) if case["alertname"] == alert]
    assert any(case.get("exp_alerts") for case in tried), f"no promtool test lets {alert} fire"
    assert any(not case.get("exp_alerts") for case in tried), f"no promtool test keeps {alert} silent"


def test_the_runbook_has_no_heading_without_an_alert() -> None:
    assert set(re.findall(r"^## (\w+)$", RUNBOOK, re.MULTILINE)) <= ALERTS.keys()


def _panels(path: Path) -> list[dict[str, Any]]:
    panels: list[dict[str, Any]] = json.loads(path.read_text())["panels"]
    return [panel for panel in panels if panel["type"] != "row"]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_panel_says_what_it_shows_and_in_which_unit(path: Path) -> None:
    for panel in _panels(path):
        assert panel["title"]
        assert panel["description"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["targets"], panel["title"]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_file_provisioning_can_read_the_dashboard(path: Path) -> None:
    """Version 2 documents, newer schemas and missing uids fail with no more than a line in Grafana's log."""
    dashboard = json.loads(path.read_text())
    assert dashboard["uid"]
    assert dashboard["schemaVersion"] <= 42
    assert "spec" not in dashboard
    known = yaml.safe_load((ROOT / "grafana/provisioning/datasources/datasources.yml").read_text())["datasources"]
    used = {panel["datasource"]["uid"] for panel in _panels(path)}
    assert used <= {source["uid"] for source in known}


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_no_panel_adds_up_a_fact_of_the_database(path: Path) -> None:
    """They are exported once for the database; a second instance of the service would double a sum."""
    facts = r"(jobs\b(?!_)|jobs_oldest_\w+|database_size_bytes|wal_size_bytes|disk_free_bytes)"
    for panel in _panels(path):
        for target in panel["targets"]:
            assert not re.search(rf"sum( by \([^)]*\))? ?\({facts}", target["expr"]), panel["title"]
