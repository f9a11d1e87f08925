"""`make verify`: what a client sees."""

import re
import uuid

import httpx
import pytest

from tests.stack.running import Stack
from tests.stack.story import Story

pytestmark = pytest.mark.stack


def test_the_answer_carries_the_promised_headers(story: Story) -> None:
    headers = story.answer.headers
    assert headers["X-Request-ID"] == story.request_id
    assert 0 <= float(headers["X-Processed-Time"]) < 60
    assert headers["Location"] == f"/jobs/{story.job['id']}"
    assert int(headers["Retry-After"]) >= 0
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Server" not in headers


ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
NOTHING = "default-src 'none'; frame-ancestors 'none'"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/jobs", 200),
        ("GET", "/jobs/0", 404),  # the service's answer
        ("TRACE", "/jobs", 405),
        ("GET", "/healthz", 200),
        ("GET", "/metrics", 404),  # Caddy's own
        ("GET", f"/jobs?{'x' * 9000}", 414),
    ],
)
def test_every_answer_carries_the_security_headers(stack: Stack, method: str, path: str, status: int) -> None:
    answer = stack.outside(method, path)
    assert answer.status_code == status
    assert {name: answer.headers.get(name) for name in ALWAYS} == ALWAYS
    assert answer.headers["Content-Security-Policy"] == NOTHING
    assert "geolocation=()" in answer.headers["Permissions-Policy"]
    assert not {"Server", "Via", "X-Powered-By"} & {name.title() for name in answer.headers}
    # A browser would remember it for every other project on localhost.
    assert ("Strict-Transport-Security" in answer.headers) is not stack.local


def test_the_documentation_page_may_load_what_it_is_made_of(stack: Stack) -> None:
    answer = stack.outside("GET", "/docs")
    if answer.status_code == 404:
        pytest.skip("production has no such page")
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    used = re.findall(r"""(?:src|href)="(https://[^/"]+)""", answer.text)
    assert used
    allowed = " ".join(policy[name] for name in ("script-src", "style-src", "img-src"))
    assert all(origin in allowed for origin in used), used
    assert "'self'" in policy["connect-src"], "it asks for /openapi.json"


def test_pages_of_grafana_keep_their_scripts(stack: Stack) -> None:
    answer = stack.outside("GET", "/grafana/api/health")
    assert answer.status_code == 200
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert NOTHING not in answer.headers.get("Content-Security-Policy", "")


def test_the_job_succeeds(story: Story) -> None:
    assert story.job["state"] == "succeeded", story.job["error"]
    assert story.job["request_id"] == story.request_id


def test_a_submission_that_waits_is_answered_with_the_ended_job(stack: Stack) -> None:
    body = {"kind": "sleep", "payload": {"seconds": 0.2}}
    answer = stack.outside("POST", "/jobs", json=body, headers={"Prefer": "wait=9"})
    assert (answer.status_code, answer.json()["state"]) == (200, "succeeded")
    assert answer.headers["Preference-Applied"] == "wait=9"


def test_a_submission_sent_twice_is_one_job(stack: Stack) -> None:
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    answers = [stack.outside("POST", "/jobs", json={"kind": "sleep"}, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].headers["Location"] == answers[1].headers["Location"]


def test_events_come_through_the_proxy_as_they_happen(stack: Stack) -> None:
    job = stack.outside("POST", "/jobs", json={"kind": "sleep", "payload": {"seconds": 2}}).json()
    with stack.following(job["id"]) as lines:
        assert next(lines).startswith("id: ")
        state = stack.outside("GET", f"/jobs/{job['id']}").json()["state"]
        assert state in {"queued", "running"}, "the first event came only with the last: something buffers"
        assert any('"state": "succeeded"' in line for line in lines)


def test_plain_http_leads_to_https_at_the_public_port(stack: Stack) -> None:
    answer = stack.client.get(f"{stack.plain_host}/jobs", follow_redirects=False)
    assert answer.status_code == 308
    target = httpx.URL(answer.headers["Location"])
    assert (target.scheme, target.port or 443, target.path) == ("https", stack.public_port, "/jobs")


def test_plain_http_leads_nobody_astray(stack: Stack) -> None:
    """Whatever a client names, the way leads to this host."""
    own = httpx.URL(stack.host).host
    for target in ("//evil.example/x", "/\\evil.example", "/@evil.example", "/%0d%0aSet-Cookie:x"):
        request = httpx.Request("GET", stack.plain_host, headers={"Host": "evil.example"})
        request.url = request.url.copy_with(raw_path=target.encode())
        answer = stack.client.send(request, follow_redirects=False)
        assert answer.status_code in {308, 400}
        assert "Server" not in answer.headers
        if answer.status_code == 308:
            assert httpx.URL(answer.headers["Location"]).host == own


def test_a_foreign_host_is_refused_as_a_problem(stack: Stack) -> None:
    for host in ("evil.example", "service:8000", "caddy.internal"):
        answer = stack.outside("GET", "/jobs", headers={"Host": host})
        assert answer.status_code == 421
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["request_id"] == answer.headers["X-Request-ID"]
        assert "Server" not in answer.headers


def test_http_3_is_announced_at_the_public_port(story: Story, stack: Stack) -> None:
    assert f'h3=":{stack.public_port}"' in story.answer.headers["Alt-Svc"]


@pytest.mark.parametrize(
    "path",
    [
        "/readyz",
        "/metrics",
        "/%6detrics",
        "//metrics",
        "/jobs/..%2fmetrics",
        "/jobs/%2e%2e/metrics",
        "/jobs/..%5cmetrics",
        "/jobs;/../metrics",
    ],
)
def test_the_inside_routes_are_closed_to_the_outside(stack: Stack, path: str) -> None:
    answer = stack.outside("GET", path)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]


def test_a_body_beyond_the_limit_is_refused_as_a_problem(stack: Stack) -> None:
    answer = stack.outside("POST", "/jobs", content=b" " * (2 << 20), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_grafana_is_served_below_the_public_address(stack: Stack) -> None:
    assert stack.outside("GET", "/grafana/api/health").status_code == 200
