"""What `make verify` sends, one request and one job, and how its checks wait for what these must leave."""

import math
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import httpx
import pytest

from tests.stack.running import Json, Stack
from tests.waiting import wait_until

SUBMISSIONS = 'sum(http_requests_total{method="POST", route="/jobs", status="202"})'


@dataclass(frozen=True)
class Story:
    """One submission, and its job as it ended."""

    request_id: str
    answer: httpx.Response
    job: Json
    submissions_before: float


def tell(stack: Stack) -> Story:
    # The count before is true only once a scrape is younger than all that was sent until now.
    now = float(stack.from_prometheus("query", query="time()")["result"][1])
    wait_until(
        lambda: (stack.value('max(timestamp(up{job="service"}))') or 0) > now,
        "Prometheus scrapes the service; see the target's error at /targets",
    )
    before = stack.value(SUBMISSIONS) or 0.0
    answer = submit(stack)
    assert answer.status_code == 202, f"POST /jobs answered {answer.status_code}: {answer.text}"
    job: Json = wait_until(
        lambda: _ended(stack.outside("GET", answer.headers["Location"]).json()),
        f"the job {answer.json()['id']} ends; see `docker compose logs service`",
    )
    return Story(answer.request.headers["X-Request-ID"], answer, job, before)


def submit(stack: Stack) -> httpx.Response:
    """A short job, traced whatever the sampling ratio is (an operator's key may ask for that)."""
    headers = {"X-Request-ID": f"verify-{uuid.uuid4()}", "X-Trace-Sample": "1"}
    return stack.outside("POST", "/jobs", json={"kind": "sleep", "payload": {"seconds": 0.01}}, headers=headers)


def _ended(job: Json) -> Json:
    """The job, or nothing while it goes on."""
    return job if job["state"] in {"succeeded", "failed", "cancelled"} else {}


def nothing_wrong(find: Callable[[], list[str]], advice: str) -> None:
    """Fresh stacks need a moment: a rate takes two scrapes, a rule an evaluation after them."""
    try:
        wait_until(lambda: not find(), "nothing is wrong", bound_seconds=60)
    except AssertionError:
        if found := find():
            pytest.fail("\n".join([*found, advice]), pytrace=False)


def finite(series: list[Json]) -> bool:
    """Of the result of an instant query: some series, and none NaN or infinite."""
    return bool(series) and all(math.isfinite(float(one["value"][1])) for one in series)
