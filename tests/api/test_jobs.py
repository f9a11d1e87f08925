"""The contract of the jobs routes."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.api.conftest import OTHER_KEY

UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
JOB_FIELDS = [
    *("id", "kind", "payload", "state", "priority", "attempt", "max_attempts", "timeout_seconds", "run_at"),
    *(
        "created_at",
        "started_at",
        "finished_at",
        "result",
        "error",
        "cancel_requested",
        "user_id",
        "request_id",
        "trace_id",
    ),
    *("version", "attempts"),
]


async def submit(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await client.post("/jobs", json={"kind": "sleep"} | fields)
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


async def test_a_submission_is_answered_with_202_and_the_whole_job(client: httpx.AsyncClient) -> None:
    answer = await client.post("/jobs", json={"kind": "sleep"}, headers={"X-Request-ID": "mine-1"})
    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/jobs/{job['id']}"
    assert int(answer.headers["retry-after"]) > 0
    assert answer.headers["x-request-id"] == "mine-1"
    assert float(answer.headers["x-processed-time"]) >= 0
    assert list(job) == JOB_FIELDS
    assert UUID7.fullmatch(job["id"])
    assert (job["state"], job["attempt"], job["attempts"], job["version"]) == ("queued", 0, [], 1)
    assert (job["priority"], job["max_attempts"], job["timeout_seconds"]) == (0, 5, 60.0)
    assert (job["user_id"], job["request_id"]) == ("dev", "mine-1")
    assert len(job["trace_id"]) == 32
    assert job["created_at"].endswith("Z")
    assert abs(datetime.fromisoformat(job["created_at"]) - datetime.now(UTC)) < timedelta(minutes=1)
    assert job["payload"] == {"seconds": 0.1, "fail_attempts": 0}


async def test_a_job_is_got_with_an_etag_and_304_until_it_changes(client: httpx.AsyncClient) -> None:
    job = await submit(client)
    answer = await client.get(f"/jobs/{job['id']}")
    assert (answer.status_code, answer.json()) == (200, job)
    etag = answer.headers["etag"]
    assert "retry-after" in answer.headers
    unchanged = await client.get(f"/jobs/{job['id']}", headers={"If-None-Match": etag})
    assert (unchanged.status_code, unchanged.content, unchanged.headers["etag"]) == (304, b"", etag)
    await client.post(f"/jobs/{job['id']}/cancel")
    changed = await client.get(f"/jobs/{job['id']}", headers={"If-None-Match": etag})
    assert (changed.status_code, changed.json()["state"]) == (200, "cancelled")
    assert "retry-after" not in changed.headers


async def test_cancelling_a_queued_job_is_immediate_and_repeating_it_changes_nothing(client: httpx.AsyncClient) -> None:
    job = await submit(client)
    first = await client.post(f"/jobs/{job['id']}/cancel")
    second = await client.post(f"/jobs/{job['id']}/cancel")
    assert (first.status_code, first.json()["state"]) == (200, "cancelled")
    assert (second.status_code, second.json()) == (200, first.json())


async def test_jobs_are_listed_newest_first_page_by_page_while_others_arrive(client: httpx.AsyncClient) -> None:
    jobs = [await submit(client) for _ in range(7)]
    seen: list[str] = []
    url: str | None = "/jobs?limit=3&state=queued&kind=sleep"
    while url:
        answer = await client.get(url)
        seen += [job["id"] for job in answer.json()["items"]]
        link = answer.headers.get("link")
        assert (link is None) == (answer.json()["next"] is None)
        url = re.fullmatch(r'<(.+)>; rel="next"', link)[1] if link else None  # type: ignore[index]
        await submit(client)
    assert seen == [job["id"] for job in reversed(jobs)]


async def test_another_users_job_is_not_found(client: httpx.AsyncClient) -> None:
    job = await submit(client)
    assert (await client.get(f"/jobs/{job['id']}", headers=OTHER_KEY)).status_code == 404
    assert (await client.post(f"/jobs/{job['id']}/cancel", headers=OTHER_KEY)).status_code == 404
    assert (await client.get("/jobs", headers=OTHER_KEY)).json() == {"items": [], "next": None}


async def test_a_scheduled_job_keeps_its_time_and_a_past_one_is_now(client: httpx.AsyncClient) -> None:
    later = await submit(client, run_at="2100-01-01T01:00:00+01:00")
    assert later["run_at"] == "2100-01-01T00:00:00.000000Z"
    past = await submit(client, run_at="1999-01-01T00:00:00Z")
    assert past["run_at"] == past["created_at"]


async def test_a_full_queue_is_429_with_retry_after_and_stores_nothing(client: httpx.AsyncClient) -> None:
    for _ in range(50):
        await submit(client)
    answer = await client.post("/jobs", json={"kind": "sleep"})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["type"] == "urn:jobs-service:problem:queue-full"
    assert len((await client.get("/jobs?limit=200")).json()["items"]) == 50


@pytest.mark.parametrize("request_id", ["", "with space", "x" * 129, "naïve"])
async def test_a_malformed_request_id_is_replaced(client: httpx.AsyncClient, request_id: str) -> None:
    answer = await client.get("/jobs", headers=[(b"x-request-id", request_id.encode())])
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", answer.headers["x-request-id"])
    assert answer.headers["x-request-id"] != request_id
