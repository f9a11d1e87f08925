"""`make verify`, last: no value of a secret stands where it does not belong, searched for by value after all the rest.

In development the secrets are public words that stand in the documentation too, so there is nothing to search for:
`.ci/run` starts the stack with fresh ones (`make secrets`). That the search finds what is there: test_secrecy.py.
"""

import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import quote

import httpx
import pytest

from tests.stack.compose import ROOT
from tests.stack.running import Stack
from tests.stack.secrecy import Search, chunks, secrets_of
from tests.stack.test_verify_containers import configured, containers, output, running
from tests.waiting import wait_until

pytestmark = pytest.mark.stack

DEVELOPMENT = ROOT / "secrets/development"


@pytest.fixture(scope="module")
def search(stack: Stack) -> Search:
    if not stack.local:
        pytest.skip("the containers are on another machine; run `make verify` there")
    files = {Path(each["file"]).resolve() for each in configured()["secrets"].values()}
    folders = {path.parent for path in files if path.name != "client_key"}
    if folders == {DEVELOPMENT}:
        pytest.skip("development secrets are public words; start the stack with others: make secrets")
    assert DEVELOPMENT not in folders, "some secrets are others, some development's"
    (folder,) = folders
    return Search(secrets_of(folder, Path(os.environ.get("API_KEY_FILE") or folder / "client_key")))


@pytest.fixture(scope="module")
def mislaid(stack: Stack, search: Search) -> str:
    """A client's mistakes: the key wherever it does not belong. All that these leave is there when this returns: the
    request id of the last one."""
    key = stack.key
    headers = {
        "Referer": f"https://example.com/{key}?token={key}",
        "User-Agent": f"client {key}",
        "X-Api-Key": key,
        "Cookie": f"key={key}",
        "X-Trace-Sample": "1",
    }
    job = {"kind": "sleep", "payload": {"seconds": 0}}
    for path in (
        f"/jobs?api_key={key}&k={key}&t%6Fken={key}",
        f"/jobs/{key}",
        f"/{key}?k={key}",
        f"/grafana/{key}?k={key}",
    ):
        stack.outside("GET", path, headers=headers)
        stack.client.get(f"{stack.plain_host}{path}", headers=headers)
        stack.client.get(f"{stack.grafana}{path}", headers=headers)
    for authorization in (f"Basic {key}", f"Bearer: {key}", key, f"Bearer {key} {key}"):
        stack.outside("POST", "/jobs", json=job, headers={**headers, "Authorization": authorization})
    stack.outside("GET", "/jobs", headers={"X-Request-ID": key})
    stack.outside("GET", "/metrics", headers={"X-Request-ID": key})
    stack.outside("GET", "/jobs", params={"kind": key, "cursor": key, "state": key})
    stack.outside("POST", "/jobs", json={**job, key: key, "priority": key})
    stack.outside("POST", "/jobs", json={"kind": key})
    stack.outside("POST", "/jobs", content=key, headers={"Content-Type": "application/json"})
    stack.outside("POST", "/jobs", content=key, headers={"Content-Type": key})
    stack.outside("POST", "/jobs", json=job, headers={"Idempotency-Key": key, "Prefer": f"wait=1, {key}"})
    stack.outside("POST", "/jobs", json=job, headers={"Idempotency-Key": f"{key} {key}"})
    request_id = f"verify-{uuid.uuid4()}"
    stack.outside("GET", "/jobs?limit=1", headers={"X-Trace-Sample": "1", "X-Request-ID": request_id})
    (line,) = wait_until(lambda: stack.log_lines("service", request_id), "the line of the last request")
    wait_until(
        lambda: stack.client.get(f"{stack.jaeger}/api/traces/{line['trace_id']}").is_success, "its trace in Jaeger"
    )
    return request_id


def test_no_secret_in_an_environment_a_command_line_or_what_docker_knows(search: Search) -> None:
    assert search.stream([json.dumps(list(containers().values())).encode()]) == set()
    for name, container in running().items():
        command = ["docker", "exec", container["Id"], "sh", "-c", "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline"]
        seen = subprocess.run(command, capture_output=True, check=False).stdout
        assert b"PATH=" in seen, f"{name}: no environment was read"
        assert search.stream([seen]) == set(), name


def test_no_secret_in_what_any_container_has_written(search: Search, mislaid: str) -> None:
    with reading("docker", "compose", "--profile", "*", "logs", "--no-color") as written:
        before = search.bytes_read
        assert search.stream(chunks(written)) == set()
        assert search.bytes_read > before
    with reading("docker", "compose", "logs", "--no-color", "caddy") as written:
        assert mislaid.encode() in written.read(), "the last request's line is among them"


@pytest.mark.usefixtures("mislaid")
def test_no_secret_in_a_trace_of_the_last_hour(stack: Stack, search: Search) -> None:
    names = stack.inside(f"{stack.jaeger}/api/services")["data"]
    assert names
    for name in names:
        url = f"{stack.jaeger}/api/traces?service={quote(name)}&lookback=1h&limit=20000"
        assert searched(stack, url, search) == set(), name


@pytest.mark.usefixtures("mislaid")
def test_no_secret_in_what_prometheus_knows(stack: Stack, search: Search) -> None:
    for path in (
        "series?match[]={__name__=~%22.%2B%22}",
        "query_exemplars?query={__name__=~%22.%2B%22}&start=0&end=9999999999",
        "targets",
        "rules",
        "alerts",
        "status/config",
        "status/flags",
    ):
        assert searched(stack, f"{stack.prometheus}/api/v1/{path}", search) == set(), path


@pytest.mark.usefixtures("mislaid")
def test_no_secret_in_what_alertmanager_and_grafana_tell(stack: Stack, search: Search) -> None:
    alertmanager = os.environ.get("ALERTMANAGER_URL", "http://localhost:9093")
    for path in ("status", "alerts", "receivers", "silences"):
        assert searched(stack, f"{alertmanager}/api/v2/{path}", search) == set(), path
    assert searched(stack, f"{alertmanager}/metrics", search) == set()
    dashboards = [each["uid"] for each in stack.from_grafana("search", type="dash-db")]
    assert dashboards
    for path in ("datasources", *(f"dashboards/uid/{uid}" for uid in dashboards), "admin/settings", "org", "users"):
        url = f"{stack.grafana}/api/{path}"
        assert searched(stack, url, search, login=stack.grafana_login, refusal_will_do=True) == set(), path


def test_no_secret_in_an_image_built_here(search: Search) -> None:
    services = configured()["services"].values()
    images = {each["image"] for each in services if "build" in each}
    built = {image for image in images if output("docker", "images", "--quiet", image).strip()}
    assert {containers()["service"]["Config"]["Image"], containers()["jaeger"]["Config"]["Image"]} <= built
    before = search.bytes_read
    for image in sorted(built):
        with reading("docker", "save", image) as saved:
            assert search.image(saved) == set(), image
    assert search.bytes_read - before > 10 << 20, "too little was read"


@contextmanager
def reading(*command: str) -> Iterator[IO[bytes]]:
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        yield process.stdout
        process.stdout.read()  # what a reader left, such as the end of an archive
    assert process.returncode == 0, command


def searched(
    stack: Stack, url: str, search: Search, login: tuple[str, str] | None = None, refusal_will_do: bool = False
) -> set[str]:
    auth = httpx.BasicAuth(*login) if login else None
    with stack.client.stream("GET", url, auth=auth) as answer:
        assert answer.is_success or (refusal_will_do and answer.is_client_error), (url, answer.status_code)
        return search.stream(answer.iter_bytes())
