"""`make verify`: the way from the request to the commit and to the job, in Jaeger."""

from typing import Any

import pytest

from tests.stack.running import Stack
from tests.stack.story import Story, nothing_wrong

pytestmark = pytest.mark.stack


def test_the_trace_leads_from_the_request_to_the_commit_and_to_the_job(story: Story, stack: Stack) -> None:
    trace_id = story.job["trace_id"]
    wanted = {("POST /jobs", "store.submit"), ("POST /jobs", "job.process")}

    def missing() -> list[str]:
        edges = sorted(wanted - _edges(stack, trace_id))
        return [f"trace {trace_id} has no {child} below {parent}" for parent, child in edges]

    nothing_wrong(missing, "see `docker compose logs jaeger`, and the service's log for exports that failed")


def _edges(stack: Stack, trace_id: str) -> set[tuple[str, str]]:
    """(parent, child) by span name, as Jaeger stored them."""
    answer = stack.client.get(f"{stack.jaeger}/api/traces/{trace_id}")
    spans: list[Any] = answer.json()["data"][0]["spans"] if answer.is_success else []
    names = {span["spanID"]: span["operationName"] for span in spans}
    return {
        (names[reference["spanID"]], span["operationName"])
        for span in spans
        for reference in span["references"]
        if reference["refType"] == "CHILD_OF" and reference["spanID"] in names
    }
