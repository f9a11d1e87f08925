"""What the panels ask: metrics that exist, quantiles of histograms, and the numbers of slo.yaml."""

import dataclasses
import re
from collections.abc import Iterator

import pytest
import yaml

from service.backup.failure import STAGES
from service.domain.ports import Stats
from service.telemetry.backup import BackupTelemetry
from service.telemetry.telemetry import Telemetry
from slo.document import ROOT, Document, Threshold
from tests.grafana.conftest import Json, made, metrics_in, panels, section, targets

PROGRAMS = ("caddy_", "prometheus_", "alertmanager_", "otelcol_", "node_", "process_")
OF_PROMETHEUS = {"up", "ALERTS", "scrape_duration_seconds"}
SOURCES = ROOT / "grafana/provisioning/datasources/datasources.yml"


@pytest.fixture
async def exported() -> dict[str, str]:
    """Types by the name of a metric of the service and of its backups."""

    async def stats() -> Stats:
        return Stats(jobs={})

    telemetry = Telemetry(kinds=("sleep",), routes=(("POST", "/jobs"),), version="1", sqlite_version="3")
    backups = BackupTelemetry(stages=STAGES, interval_seconds=1, has_remote=False, last_verified=lambda: 0.0)
    text = ((await telemetry.exposition("", stats))[0] + backups.exposition("")[0]).decode()
    return dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))


def _recorded() -> set[str]:
    files = (ROOT / "prometheus/rules").glob("*.yml")
    groups = [group for path in files for group in yaml.safe_load(path.read_text())["groups"]]
    return {rule["record"] for group in groups for rule in group["rules"] if "record" in rule}


def _series(exported: dict[str, str]) -> Iterator[str]:
    for name, kind in exported.items():
        yield from [f"{name}_{part}" for part in ("bucket", "sum", "count")] if kind == "histogram" else [name]


def test_every_metric_asked_for_exists(boards: dict[str, Json], exported: dict[str, str]) -> None:
    known = {*_series(exported), *_recorded(), *OF_PROMETHEUS}
    for title, target in targets(boards):
        asked = {name for name in metrics_in(target["expr"]) if not name.startswith(PROGRAMS)}
        assert asked <= known, title


def test_a_span_leads_to_metrics_that_exist(exported: dict[str, str]) -> None:
    [jaeger] = [source for source in yaml.safe_load(SOURCES.read_text())["datasources"] if source["uid"] == "jaeger"]
    link = jaeger["jsonData"]["tracesToMetrics"]
    assert link["datasourceUid"] == "prometheus"
    attributes = section("docs/telemetry.md", "## Traces")
    for tag in link["tags"]:
        assert tag["key"] in attributes
    for query in link["queries"]:
        assert "{$$__tags}" in query["query"], "a single dollar sign would be taken for a variable of the environment"
        assert metrics_in(query["query"]) <= set(_series(exported))


def test_latency_is_shown_as_quantiles_of_a_histogram_and_with_exemplars(boards: dict[str, Json]) -> None:
    rows = re.findall(r"^\| `(\w+)` \| histogram \*\*E\*\*", section("docs/telemetry.md", "## Metrics"), re.MULTILINE)
    assert rows
    for panel in panels(boards):
        asked = {name for target in panel["targets"] for name in metrics_in(target["expr"])}
        assert not any(name.endswith("_sum") for name in asked), f"{panel['title']}: an average hides the tail"
        quantiles = [target for target in panel["targets"] if "histogram_quantile" in target["expr"]]
        if quantiles or panel["fieldConfig"]["defaults"]["unit"] == "s":
            dots = [target for target in panel["targets"] if target.get("exemplar")]
            has_exemplars = bool(quantiles) and any(f"{row}_bucket" in asked for row in rows)
            assert len(dots) == has_exemplars, panel["title"]
        for target in quantiles:
            assert re.search(r"_bucket\b", target["expr"]), panel["title"]


def test_rates_use_a_window_that_fits_every_scrape_and_every_zoom(boards: dict[str, Json]) -> None:
    for title, target in targets(boards):
        assert set(re.findall(r"\}?\[(\$?\w+)\]\)", target["expr"])) <= {"$__rate_interval", "1h"}, title
        assert target["interval"] == "15s", title


def test_every_line_on_a_latency_panel_is_the_threshold_of_its_objective(
    boards: dict[str, Json], document: Document
) -> None:
    thresholds = {o.threshold.metric: o.threshold.seconds for o in document.objectives if o.threshold}
    shown = set()
    for panel in panels(boards):
        defaults = panel["fieldConfig"]["defaults"]
        lines = [step["value"] for step in defaults["thresholds"]["steps"][1:]]
        if defaults["unit"] == "s" and lines:
            [metric] = {name.removesuffix("_bucket") for t in panel["targets"] for name in metrics_in(t["expr"])}
            assert lines == [thresholds[metric]], panel["title"]
            shown.add(metric)
    assert shown == thresholds.keys()


def test_the_burn_rates_have_the_factors_of_the_document_as_lines(boards: dict[str, Json], document: Document) -> None:
    factors = sorted(pair.burn for pairs in document.windows.values() for pair in pairs)
    burning = [panel for panel in panels(boards) if panel["title"].endswith("burn rate")]
    assert len(burning) == len(document.objectives)
    for panel in burning:
        assert [step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"][1:]] == factors


def test_a_changed_objective_changes_the_dashboards(boards: dict[str, Json], document: Document) -> None:
    first, *rest = document.objectives
    assert first.threshold
    query = first.error_query.replace(f'le="{first.threshold.le}"', 'le="0.15"')
    changed = dataclasses.replace(
        first, ratio=0.97, threshold=Threshold(first.threshold.metric, "0.15"), error_query=query
    )
    before, after = boards["service"], made(dataclasses.replace(document, objectives=[changed, *rest]))["service"]
    moved = {panel["title"] for old, panel in zip(before["panels"], after["panels"], strict=True) if old != panel}
    assert moved == {"Submission latency", "Submissions in time", "Budget left"}


def test_an_objective_more_has_its_column(document: Document) -> None:
    more = dataclasses.replace(document.objectives[0], name="second-thought")
    board = made(dataclasses.replace(document, objectives=[*document.objectives, more]))["service"]
    columns = [p["gridPos"] for p in board["panels"] if p["title"].endswith(": burn rate")]
    assert [(grid["x"], grid["w"]) for grid in columns] == [(0, 6), (6, 6), (12, 6), (18, 6)]
