"""`Idempotency-Key`, as a client sees it."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.api.conftest import OTHER_KEY
from tests.api.test_errors import assert_problem

SLEEP = {"kind": "sleep", "payload": {"seconds": 1}}


async def post(client: httpx.AsyncClient, key: str, body: Any = None, **headers: str) -> httpx.Response:
    return await client.post("/jobs", json=body or SLEEP, headers={"Idempotency-Key": key} | headers)


async def count(client: httpx.AsyncClient) -> int:
    return len((await client.get("/jobs?limit=200")).json()["items"])


@pytest.mark.parametrize(
    "again",
    [
        SLEEP,
        {"payload": {"fail_attempts": 0, "seconds": 1.0}, "kind": "sleep"},
        SLEEP | {"priority": 0, "run_at": None, "max_attempts": 5, "timeout_seconds": 60},
    ],
)
async def test_the_same_submission_however_spelled_gives_the_first_job(
    client: httpx.AsyncClient, again: dict[str, Any]
) -> None:
    first, second = await post(client, "k"), await post(client, "k", again)
    assert (first.status_code, second.status_code) == (202, 202)
    assert second.headers["location"] == first.headers["location"]
    assert second.json() == first.json()
    assert await count(client) == 1


async def test_the_answer_has_the_jobs_present_state(client: httpx.AsyncClient) -> None:
    job = (await post(client, "k")).json()
    cancelled = (await client.post(f"/jobs/{job['id']}/cancel")).json()
    again = await post(client, "k")
    assert (again.status_code, again.json()) == (202, cancelled)
    assert again.headers["etag"] == f'"{cancelled["version"]}"'
    waited = await post(client, "k", Prefer="wait=9")
    assert (waited.status_code, waited.json()) == (200, cancelled)


@pytest.mark.parametrize(
    "other",
    [
        {"kind": "sleep"},
        {"kind": "primes", "payload": {"below": 5}},
        SLEEP | {"priority": 1},
        SLEEP | {"run_at": "2100-01-01T00:00:00Z"},
        SLEEP | {"max_attempts": 4},
        SLEEP | {"timeout_seconds": 61},
    ],
)
async def test_a_different_submission_with_the_same_key_is_422(
    client: httpx.AsyncClient, other: dict[str, Any]
) -> None:
    await post(client, "k")
    problem = assert_problem(await post(client, "k", other), 422)
    assert problem["type"] == "urn:jobs-service:problem:idempotency-conflict"
    assert await count(client) == 1


async def test_a_key_is_the_users_own(client: httpx.AsyncClient) -> None:
    mine, other = await post(client, "k"), await post(client, "k", {"kind": "sleep"}, **OTHER_KEY)
    assert other.status_code == 202
    assert other.headers["location"] != mine.headers["location"]


async def test_a_submission_that_was_refused_has_not_used_its_key(client: httpx.AsyncClient) -> None:
    assert (await post(client, "k", {"kind": "sleep", "priority": "high"})).status_code == 422
    assert (await post(client, "k")).status_code == 202


async def test_twenty_at_once_make_one_job(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(post(client, "k") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.headers["location"] for answer in answers}) == 1
    assert await count(client) == 1


@pytest.mark.parametrize("key", ["!", "~" * 255, 'k"e;y,', "89d6d6b0-653f-7a45-9004-35a6c5020232"])
async def test_any_visible_ascii_is_a_key(client: httpx.AsyncClient, key: str) -> None:
    assert (await post(client, key)).status_code == 202
    assert (await post(client, key)).status_code == 202
    assert await count(client) == 1


@pytest.mark.parametrize("key", [b"", b"x" * 256, b"two words", b"tab\tkey", b"na\xc3\xafve", b"\x7f", b"\xff"])
async def test_any_other_key_is_400(client: httpx.AsyncClient, key: bytes) -> None:
    answer = await client.post("/jobs", json=SLEEP, headers=[(b"Idempotency-Key", key)])
    problem = assert_problem(answer, 400)
    assert problem["type"] == "urn:jobs-service:problem:malformed-header"
    assert "Idempotency-Key" in problem["detail"]
    assert await count(client) == 0


async def test_two_keys_are_400(client: httpx.AsyncClient) -> None:
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    assert_problem(await client.post("/jobs", json=SLEEP, headers=headers), 400)
