"""`make verify`: what Grafana shows, asked over the way its panels ask."""

import pytest

from tests.stack.running import Json, Stack
from tests.stack.story import Story, finite, nothing_wrong

pytestmark = pytest.mark.stack

BOARDS = {"jobs-service": "Service", "jobs-service-jobs": "Jobs", "jobs-service-stack": "Stack"}


def test_the_three_dashboards_are_in_their_folder(stack: Stack) -> None:
    found = stack.from_grafana("search", type="dash-db")
    there = {board["uid"]: board["title"] for board in found if board["folderTitle"] == "Jobs service"}
    assert there == BOARDS, "see `docker compose logs grafana`: it says what it could not read"


def test_grafana_had_nothing_to_complain_about(stack: Stack) -> None:
    """Where Grafana itself cannot run, what stands in for it lists what Grafana would only log."""
    answer = stack.client.get(f"{stack.grafana}/api/standin/problems", auth=stack.grafana_login)
    if answer.status_code == 404:
        pytest.skip("a real Grafana says it in its log only: `docker compose logs grafana`")
    assert answer.json() == []


@pytest.mark.parametrize("uid", BOARDS)
@pytest.mark.usefixtures("story")
def test_every_panel_gives_finite_values(stack: Stack, uid: str) -> None:
    """Each query through Grafana's own data source, as its panel asks it."""
    panels = stack.from_grafana(f"dashboards/uid/{uid}")["dashboard"]["panels"]
    asked = [(panel["title"], target) for panel in panels for target in panel.get("targets", [])]
    assert asked

    def wrong() -> list[str]:
        return [
            f"{title}: no finite value of {target['expr']}" for title, target in asked if not _answers(stack, target)
        ]

    nothing_wrong(wrong, "ask the same in Prometheus: a metric that the service no longer has?")


def _answers(stack: Stack, target: Json) -> bool:
    source = f"datasources/proxy/uid/{target['datasource']['uid']}/api/v1/query"
    query = target["expr"].replace("$__rate_interval", "1m")  # a panel of half an hour has the same
    return finite(stack.from_grafana(source, query=query)["data"]["result"])


def test_a_trace_leads_back_to_metrics(stack: Stack, story: Story) -> None:
    """The link of a submission's span, with its tags put in as Grafana does, has an answer in Prometheus."""
    link = stack.from_grafana("datasources/uid/jaeger")["jsonData"]["tracesToMetrics"]
    attributes = {"http.request.method": "POST", "http.route": "/jobs", "job.kind": story.job["kind"]}
    named = [(tag["value"], attributes[tag["key"]]) for tag in link["tags"]]
    request = ", ".join(f'{label}="{value}"' for label, value in named if label != "kind")
    job = ", ".join(f'{label}="{value}"' for label, value in named if label == "kind")

    def unanswered() -> list[str]:
        queries = [
            query["query"].replace("$__tags", job if "Job" in query["name"] else request) for query in link["queries"]
        ]
        return [query for query in queries if not stack.from_prometheus("query", query=query)["result"]]

    nothing_wrong(unanswered, "see tracesToMetrics in grafana/provisioning/datasources/datasources.yml")


def test_grafana_reaches_jaeger(story: Story, stack: Stack) -> None:
    def missing() -> list[str]:
        known = stack.from_grafana("datasources/proxy/uid/jaeger/api/services")["data"] or []
        return [] if "jobs-service" in known else [f"Jaeger knows {known}, but no jobs-service"]

    nothing_wrong(missing, f"request {story.request_id} was traced; see `docker compose logs jaeger`")
