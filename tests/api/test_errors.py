"""Bad input: problem details with the right status, never a 500, nothing stored."""

import json
from typing import Any

import httpx
import pytest

from tests.api.conftest import BreakableStore

JSON = {"Content-Type": "application/json"}
SLEEP = b'{"kind": "sleep", "payload": %s}'


async def stored(client: httpx.AsyncClient) -> int:
    return len((await client.get("/jobs")).json()["items"])


def assert_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert set(body) - {"errors"} == {"type", "title", "status", "detail", "instance", "request_id"}
    assert body["type"].startswith("urn:jobs-service:problem:")
    assert body["status"] == status
    assert body["request_id"] == answer.headers["x-request-id"]
    assert "x-processed-time" in answer.headers
    assert ("errors" in body) == (status == 422)
    return body


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b'{"kind": "sleep"} trailing', 400),
        (b"\xff\xfe", 400),
        (b'{"kind": "sleep", "priority": NaN}', 400),
        (b'{"kind": "webhook", "payload": {"url": "https://example.com", "body": "\\ud800"}}', 400),
        (
            b'{"kind": "webhook", "payload": {"url": "https://example.com", "body": '
            + b"[" * 5000
            + b"]" * 5000
            + b"}}",
            400,
        ),
        (b"[]", 422),
        (b"null", 422),
        (b'"sleep"', 422),
        (b"{}", 422),
        (b'{"kind": "unknown"}', 422),
        (b'{"kind": 7}', 422),
        (b'{"kind": "sleep", "colour": "red"}', 422),
        (b'{"kind": "sleep", "priority": "high"}', 422),
        (b'{"kind": "sleep", "priority": true}', 422),
        (b'{"kind": "sleep", "priority": 101}', 422),
        (b'{"kind": "sleep", "priority": 1e400}', 422),
        (b'{"kind": "sleep", "max_attempts": 0}', 422),
        (b'{"kind": "sleep", "max_attempts": ' + b"9" * 5000 + b"}", 400),
        (b'{"kind": "sleep", "timeout_seconds": 1e999}', 422),
        (b'{"kind": "sleep", "timeout_seconds": -1}', 422),
        (b'{"kind": "sleep", "run_at": "yesterday"}', 422),
        (b'{"kind": "sleep", "run_at": "2030-01-01T00:00:00"}', 422),
        (b'{"kind": "sleep", "run_at": "99999-01-01T00:00:00Z"}', 422),
        (b'{"kind": "sleep", "run_at": 1e300}', 422),
        (b'{"kind": "sleep", "run_at": "9999-12-31T23:59:59-23:59"}', 422),
        (b'{"kind": "sleep", "run_at": "1893456000"}', 422),
        (b'{"kind": "sleep", "run_at": "2030-01-01T00:00Z"}', 422),
        (b'{"kind": "sleep", "run_at": "2030-01-01 00:00:00Z"}', 422),
        (b'{"kind": "sleep", "run_at": "2030-02-30T00:00:00Z"}', 422),
        (b'{"kind": "sleep", "max_attempts": 1.5}', 422),
        (SLEEP % b'{"seconds": -1}', 422),
        (SLEEP % b'{"seconds": "long"}', 422),
        (SLEEP % b'{"seconds": 1e999}', 422),
        (SLEEP % b'{"more": 1}', 422),
        (SLEEP % b"[]", 422),
        (b'{"kind": "webhook"}', 422),
        (b'{"kind": "webhook", "payload": {"url": "https://example.com", "body": 1e999}}', 422),
        (b'{"kind": "webhook", "payload": {"url": "https://example.com", "body": ' + b"9" * 5000 + b"}}", 400),
    ],
)
async def test_a_bad_body_is_refused_and_nothing_is_stored(client: httpx.AsyncClient, body: bytes, status: int) -> None:
    answer = await client.post("/jobs", content=body, headers=JSON)
    assert_problem(answer, status)
    assert await stored(client) == 0


async def test_a_422_names_the_place_but_not_what_the_client_sent(client: httpx.AsyncClient) -> None:
    secret = "swordfish-1234"
    for body in (
        {"kind": secret},
        {"kind": "sleep", "priority": secret},
        {"kind": "sleep", "payload": {"seconds": secret}},
        {"kind": "sleep", "run_at": secret},
        {"kind": "webhook", "payload": {"url": f"ftp://{secret}"}},
    ):
        answer = await client.post("/jobs", json=body)
        problem = assert_problem(answer, 422)
        assert secret not in answer.text
        assert all(set(error) == {"loc", "msg", "type"} for error in problem["errors"])
    assert problem["errors"][0]["loc"][:2] == ["body", "webhook"]


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded", "application/xml"])
async def test_a_wrong_or_missing_content_type_is_415(client: httpx.AsyncClient, content_type: str | None) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    assert_problem(await client.post("/jobs", content=b'{"kind": "sleep"}', headers=headers), 415)
    assert await stored(client) == 0


async def test_a_content_type_with_a_charset_is_fine(client: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    assert (await client.post("/jobs", content=b'{"kind": "sleep"}', headers=headers)).status_code == 202


async def test_a_body_above_1_mib_is_413(client: httpx.AsyncClient) -> None:
    body = json.dumps({"kind": "webhook", "payload": {"url": "https://example.com", "body": "x" * 2 * 1024 * 1024}})
    assert_problem(await client.post("/jobs", content=body, headers=JSON), 413)

    async def chunks() -> Any:
        for _ in range(64):
            yield b" " * 32_768

    assert_problem(await client.post("/jobs", content=chunks(), headers=JSON), 413)
    assert await stored(client) == 0


@pytest.mark.parametrize(
    "value", [None, "Bearer wrong", "Bearer ", "Basic ZGV2LWtleQ==", "dev-key", "Bearer dev-key x"]
)
async def test_no_key_or_a_wrong_one_is_401_before_anything_else_is_looked_at(
    client: httpx.AsyncClient, value: str | None
) -> None:
    del client.headers["Authorization"]
    headers = {"Authorization": value} if value else {}
    for method, path in [("POST", "/jobs"), ("GET", "/jobs"), ("GET", "/jobs/x"), ("POST", "/jobs/x/cancel")]:
        answer = await client.request(method, path, headers=headers, content=b"{")
        assert_problem(answer, 401)
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("job_id", ["x", "0", "%00", "00000000-0000-4000-8000-000000000000", "a" * 2000])
async def test_a_bad_or_unknown_id_is_404(client: httpx.AsyncClient, job_id: str) -> None:
    assert_problem(await client.get(f"/jobs/{job_id}"), 404)
    assert_problem(await client.post(f"/jobs/{job_id}/cancel"), 404)


async def test_an_unknown_path_is_404(client: httpx.AsyncClient) -> None:
    assert_problem(await client.get("/nothing"), 404)


@pytest.mark.parametrize(
    ("path", "allowed"), [("/jobs", "GET, POST"), ("/jobs/x", "GET"), ("/jobs/x/cancel", "POST"), ("/healthz", "GET")]
)
async def test_a_wrong_method_is_405_and_told_all_that_are_right(
    client: httpx.AsyncClient, path: str, allowed: str
) -> None:
    for method in ("DELETE", "OPTIONS"):
        answer = await client.request(method, path)
        assert_problem(answer, 405)
        assert answer.headers["allow"] == allowed


async def test_a_whole_number_may_be_spelled_with_a_point(client: httpx.AsyncClient) -> None:
    body = b'{"kind": "primes", "priority": 3.0, "max_attempts": 1e1, "payload": {"below": 100.0}}'
    answer = await client.post("/jobs", content=body, headers=JSON)
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert (job["priority"], job["max_attempts"], job["payload"]) == (3, 10, {"below": 100})


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=201", "limit=x", "limit=1e9", "state=odd", "state=", "kind=odd"),
        *("cursor=", "cursor=x", "cursor=%ff", "cursor=LTE", "cursor=MDE", "cursor=ffffffffffffffff"),
    ],
)
async def test_a_bad_query_value_is_422(client: httpx.AsyncClient, query: str) -> None:
    assert_problem(await client.get(f"/jobs?{query}"), 422)


async def test_a_storage_failure_is_503_with_retry_after(client: httpx.AsyncClient, store: BreakableStore) -> None:
    store.broken = True
    answer = await client.post("/jobs", json={"kind": "sleep"})
    problem = assert_problem(answer, 503)
    assert int(answer.headers["retry-after"]) > 0
    assert "disk" not in problem["detail"]
    ready = await client.get("/readyz")
    assert (ready.status_code, ready.json()["checks"]["database"]) == (503, "disk full")
    assert (await client.get("/healthz")).status_code == 200
    for_the_proxy = await client.get("/readyz?exclude=database")
    assert (for_the_proxy.status_code, for_the_proxy.json()["checks"]) == (200, ready.json()["checks"])
    assert (await client.get("/readyz?exclude=worker&exclude=nothing")).status_code == 503
    store.broken = False
    assert (await client.get("/readyz")).json() == {
        "status": "ready",
        "checks": {"database": "ok", "worker": "ok", "draining": "no"},
    }


async def test_an_unhandled_exception_is_a_plain_500(
    client: httpx.AsyncClient, store: BreakableStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def defect(*_: object) -> None:
        raise RuntimeError("secret inside")

    monkeypatch.setattr(store, "add", defect)
    answer = await client.post("/jobs", json={"kind": "sleep"})
    assert_problem(answer, 500)
    assert "secret" not in answer.text
