"""`make slo`: everything follows from slo.yaml, and nothing else needs an edit."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from slo import shortened
from slo.__main__ import files, stale
from slo.document import FILE, ROOT, read, seconds
from tests.slo.test_document import SAMPLE


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What `make slo` reads and writes, made from the sample, to be changed."""
    for folder in ("slo", "grafana", "prometheus"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (
        FILE,
        Path("service/telemetry/edges.py"),
        Path("loadtest/slo.json"),
        Path("docs/slo.md"),
        Path("README.md"),
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    shutil.copy(SAMPLE, tmp_path / FILE)
    assert generate(tmp_path).returncode == 0
    return tmp_path


def generate(clone: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "slo", *arguments]
    return subprocess.run(command, cwd=clone, capture_output=True, text=True, check=False)


def test_the_checked_in_files_say_what_slo_yaml_says() -> None:
    assert stale(read()) == []


def test_one_changed_threshold_changes_rules_tests_dashboards_buckets_and_verdict_together(clone: Path) -> None:
    before = {path: (clone / path).read_text() for path in files(read())}
    (clone / FILE).write_text((clone / FILE).read_text().replace('le="0.1"', 'le="0.15"'))
    checked = generate(clone, "--check")
    assert checked.returncode == 1
    assert 'submission-latency: le="0.15" is no bucket edge of the service\'s job_submit_seconds' in checked.stdout
    assert generate(clone).returncode == 0
    assert generate(clone, "--check").returncode == 0

    now = {path: (clone / path).read_text() for path in before}
    changed = {str(path) for path in before if before[path] != now[path]}
    assert changed >= {
        "prometheus/rules/slo.yml",
        "prometheus/tests/slo.yml",
        "grafana/dashboards/service.json",
        "service/telemetry/edges.py",
        "loadtest/slo.json",
        "docs/slo.md",
        "README.md",
    }
    rules = now[Path("prometheus/rules/slo.yml")]
    assert 'le="0.15"' in rules
    assert 'le="0.1"' not in rules
    assert "0.1, 0.15, 0.25" in now[Path("service/telemetry/edges.py")]
    assert 0.15 in _steps(json.loads(now[Path("grafana/dashboards/service.json")]))
    limits = json.loads(now[Path("loadtest/slo.json")])
    assert limits["objectives"]["submission-latency"]["threshold_seconds"] == 0.15


def _steps(dashboard: dict[str, Any]) -> set[float]:
    """Of all thresholds of all panels."""
    defaults = [panel["fieldConfig"]["defaults"] for panel in dashboard["panels"] if "fieldConfig" in panel]
    return {step["value"] for each in defaults for step in each.get("thresholds", {}).get("steps", [])}


def test_one_changed_objective_changes_the_burn_rates_and_the_verdict(clone: Path) -> None:
    (clone / FILE).write_text((clone / FILE).read_text().replace("objective: 99.9", "objective: 99.5"))
    assert generate(clone).returncode == 0
    rules = (clone / "prometheus/rules/slo.yml").read_text()
    assert "(14.4 * 0.005)" in rules
    assert "(14.4 * 0.001)" not in rules
    assert json.loads((clone / "loadtest/slo.json").read_text())["objectives"]["availability"]["ratio"] == 0.995


def test_what_is_refused_writes_nothing_and_exits_2(clone: Path) -> None:
    (clone / FILE).write_text((clone / FILE).read_text().replace('le="0.1"', 'le="0.10"'))
    before = (clone / "prometheus/rules/slo.yml").read_text()
    found = generate(clone)
    assert found.returncode == 2
    assert 'le="0.10" is no bucket edge' in found.stderr
    assert (clone / "prometheus/rules/slo.yml").read_text() == before


def test_every_window_has_its_rule_and_every_pair_its_place_in_an_alert() -> None:
    document = read()
    rules = yaml.safe_load((ROOT / "prometheus/rules/slo.yml").read_text())["groups"]
    for objective in document.objectives:
        own = [rule for group in rules if objective.name in group["name"] for rule in group["rules"]]
        recorded = {rule.get("record") for rule in own}
        alerts = {rule["labels"]["severity"]: rule for rule in own if "alert" in rule}
        for severity, pairs in document.windows.items():
            for pair in pairs:
                assert {f"slo:sli_error:ratio_rate{pair.short}", f"slo:sli_error:ratio_rate{pair.long}"} <= recorded
                assert alerts[severity]["expr"].count(f"> ({pair.burn:g} * {objective.budget:g})") == 2
        assert f"slo:sli_error:ratio_rate{document.period}" in recorded
        assert "slo:period_error_budget_remaining:ratio" in recorded


def test_shortened_rules_keep_their_names_and_divide_their_windows(tmp_path: Path) -> None:
    shortened.write(ROOT / "prometheus", tmp_path, 20)
    for name in ("slo.yml", "service.yml", "stack.yml", "backup.yml"):
        usual = (ROOT / "prometheus/rules" / name).read_text()
        short = (tmp_path / "rules" / name).read_text()
        assert re.findall(r"(?:alert|record): (\S+)", short) == re.findall(r"(?:alert|record): (\S+)", usual)
        ranges = zip(re.findall(r"\[(\w+)\]", usual), re.findall(r"\[(\w+)\]", short), strict=True)
        for before, after in ranges:
            assert seconds(after) == max(shortened.LEAST_SECONDS, seconds(before) // 20)
    assert "[180s]" in (tmp_path / "rules/slo.yml").read_text(), "an hour"
