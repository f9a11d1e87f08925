"""The dashboards' house rules: what file provisioning takes, and what a reader may expect of every panel."""

import re
from itertools import combinations

import yaml

from grafana.boards import files
from slo.document import ROOT, Document
from tests.grafana.conftest import Json, metrics_in, panels, runbook_headings, section, targets

SOURCES = ROOT / "grafana/provisioning/datasources/datasources.yml"


def test_the_same_document_gives_the_same_files(document: Document) -> None:
    assert files(document) == files(document)


def test_file_provisioning_can_read_the_dashboards(boards: dict[str, Json]) -> None:
    """Version 2 documents, newer schemas and missing uids fail with no more than a line in Grafana's log."""
    assert {name: board["uid"] for name, board in boards.items()} == {
        "service": "jobs-service",
        "jobs": "jobs-service-jobs",
        "stack": "jobs-service-stack",
    }
    for board in boards.values():
        assert board["title"]
        assert board["schemaVersion"] <= 42
        assert "spec" not in board


def test_every_panel_says_what_it_shows_and_in_which_unit(boards: dict[str, Json]) -> None:
    for panel in panels(boards):
        assert panel["title"]
        assert panel["targets"], panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]


def test_every_data_source_is_provisioned(boards: dict[str, Json]) -> None:
    known = {source["uid"]: source["type"] for source in yaml.safe_load(SOURCES.read_text())["datasources"]}
    asking = [*panels(boards), *(target for _, target in targets(boards))]
    asking += [annotation for board in boards.values() for annotation in board["annotations"]["list"]]
    for each in asking:
        assert known[each["datasource"]["uid"]] == each["datasource"]["type"]


def test_ids_and_titles_are_unique_within_a_dashboard(boards: dict[str, Json]) -> None:
    for board in boards.values():
        ids = [panel["id"] for panel in board["panels"]]
        assert len(ids) == len(set(ids))
        for panel in board["panels"]:
            letters = [target["refId"] for target in panel.get("targets", [])]
            assert len(letters) == len(set(letters))


def test_no_two_panels_overlap_and_none_leaves_the_grid(boards: dict[str, Json]) -> None:
    for board in boards.values():
        cells = [(panel["title"], _cells(panel["gridPos"])) for panel in board["panels"]]
        for title, found in cells:
            assert max(x for x, _ in found) < 24, title
        for (one, left), (other, right) in combinations(cells, 2):
            assert not left & right, f"{one} lies on {other}"


def _cells(grid: dict[str, int]) -> set[tuple[int, int]]:
    columns, lines = range(grid["x"], grid["x"] + grid["w"]), range(grid["y"], grid["y"] + grid["h"])
    return {(x, y) for x in columns for y in lines}


def test_no_panel_adds_up_a_fact_of_the_database(boards: dict[str, Json]) -> None:
    """They are exported once for the database; a second instance of the service would double a sum."""
    rows = re.findall(r"^\| `(\w+)` \| gauge, once", section("docs/telemetry.md", "## Metrics"), re.MULTILINE)
    facts = set(rows)
    assert "jobs" in facts
    for title, target in targets(boards):
        if metrics_in(target["expr"]) & facts:
            assert re.match(r"(max|min)( by \(\w+\))? ?\(", target["expr"]), title
            assert "sum" not in target["expr"], title


def test_firing_alerts_are_marked_on_every_dashboard(boards: dict[str, Json]) -> None:
    for board in boards.values():
        [annotation] = board["annotations"]["list"]
        assert annotation["target"]["expr"].startswith("ALERTS{")
        assert 'alertstate="firing"' in annotation["target"]["expr"]
        assert annotation["titleFormat"]
        assert annotation["textFormat"]
        assert annotation["tagKeys"]


def test_each_dashboard_leads_to_the_others_and_names_the_pages_to_read_on(boards: dict[str, Json]) -> None:
    for board in boards.values():
        [link] = board["links"]
        assert link["type"] == "dashboards"
        assert all(set(link["tags"]) <= set(other["tags"]) for other in boards.values())
        pages = "".join(panel["options"]["content"] for panel in board["panels"] if panel["type"] == "text")
        assert {"docs/runbook.md", "docs/loadtest.md"} <= set(re.findall(r"docs/[\w/]+\.md", pages))


def test_every_alert_has_a_panel_that_names_it_and_no_panel_names_another(boards: dict[str, Json]) -> None:
    said = " ".join(panel["description"] for panel in panels(boards))
    alerts = runbook_headings()
    assert {name for name in alerts if name in said} == alerts
    compound = set(re.findall(r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b", said))
    assert compound <= alerts
