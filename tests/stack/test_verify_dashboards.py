"""`make verify`: what Grafana shows, asked over the way its panels ask."""

import pytest

from tests.stack.running import Stack
from tests.stack.story import Story, finite, nothing_wrong

pytestmark = pytest.mark.stack


def test_every_panel_gives_finite_values(stack: Stack) -> None:
    """Each query through Grafana's own data source, as its panel asks it."""
    boards = stack.from_grafana("search", type="dash-db")
    assert boards, "Grafana has provisioned no dashboard; see `docker compose logs grafana`"

    def wrong() -> list[str]:
        return [problem for board in boards for problem in _board_problems(stack, board["uid"])]

    nothing_wrong(wrong, "ask the same in Prometheus: a metric that the service no longer has?")


def _board_problems(stack: Stack, uid: str) -> list[str]:
    panels = stack.from_grafana(f"dashboards/uid/{uid}")["dashboard"]["panels"]
    problems = []
    for panel in (panel for panel in panels if panel["type"] != "row"):
        for target in panel["targets"]:
            source = f"datasources/proxy/uid/{target['datasource']['uid']}/api/v1/query"
            if not finite(stack.from_grafana(source, query=target["expr"])["data"]["result"]):
                problems.append(f"{panel['title']}: no finite value of {target['expr']}")
    return problems


def test_grafana_reaches_jaeger(story: Story, stack: Stack) -> None:
    def missing() -> list[str]:
        known = stack.from_grafana("datasources/proxy/uid/jaeger/api/services")["data"] or []
        return [] if "jobs-service" in known else [f"Jaeger knows {known}, but no jobs-service"]

    nothing_wrong(missing, f"request {story.request_id} was traced; see `docker compose logs jaeger`")
