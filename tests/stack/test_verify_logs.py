"""`make verify`: one line per request and per attempt, found by the request's id."""

import re

import pytest

from tests.stack.running import Json, Stack
from tests.stack.story import Story
from tests.waiting import wait_until

pytestmark = pytest.mark.stack


def test_the_request_left_one_log_line(story: Story, stack: Stack) -> None:
    line = _log_line(stack, "service", story, "request_finished")
    assert line["status_code"] == 202
    assert line["method"] == "POST"
    assert line["path_with_query"] == "/jobs"
    assert line["user_id"] == story.job["user_id"]
    assert line["trace_id"] == story.job["trace_id"]
    assert re.fullmatch(r"\S+:\w+:\d+", line["source"])


def test_the_job_left_one_log_line_with_the_id_of_its_request(story: Story, stack: Stack) -> None:
    line = _log_line(stack, "service", story, "job_succeeded")
    assert line["job_id"] == story.job["id"]
    assert line["trace_id"] == story.job["attempts"][0]["trace_id"]


def test_the_access_log_of_the_proxy_has_the_same_id(story: Story, stack: Stack) -> None:
    line = _log_line(stack, "caddy", story, "handled request")
    assert line["request_id"] == story.request_id
    assert "headers" not in line["request"], "headers carry keys; they must not be logged"


def _log_line(stack: Stack, service: str, story: Story, message: str) -> Json:
    def lines() -> list[Json]:
        return [line for line in stack.log_lines(service, story.request_id) if line["message"] == message]

    # Requests that waited for the job carry other ids, so there is exactly one.
    found = wait_until(lines, f"a log line {message} of {service} with request id {story.request_id}")
    assert len(found) == 1, found
    return found[0]
