"""A running stack, as `make verify` sees it: from outside through Caddy, and from inside on this machine's loopback.

Aimed by the environment. For a stack on another machine, HOST is its public address and the inside comes through a
tunnel: `ssh -L 9090:127.0.0.1:9090 -L 3000:127.0.0.1:3000 -L 16686:127.0.0.1:16686 SERVER`.
"""

import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.stack.compose import ROOT

Json = dict[str, Any]

LOCAL_NAMES = {"localhost", "127.0.0.1"}


class Stack:
    """Every answer that is not a 2xx, and every address that does not answer, fails with what to do about it."""

    host = os.environ.get("HOST", "https://localhost:8443").rstrip("/")
    plain_host = os.environ.get("PLAIN_HOST", "")  # http://…; by default HOST's name, at 8080 for localhost
    prometheus = os.environ.get("PROMETHEUS_URL", "http://127.0.0.1:9090")
    grafana = os.environ.get("GRAFANA_URL", "http://127.0.0.1:3000/grafana")
    jaeger = os.environ.get("JAEGER_URL", "http://127.0.0.1:16686")
    logs_command = os.environ.get("LOGS_COMMAND", "docker compose logs --no-log-prefix --no-color --since 5m")

    def __init__(self) -> None:
        parts = urlsplit(self.host)
        self.local = parts.hostname in LOCAL_NAMES
        self.public_port = parts.port or 443
        self.plain_host = self.plain_host or f"http://{parts.hostname}" + (":8080" if self.local else "")
        # Only localhost has a certificate of an authority that nobody knows.
        self.client = httpx.Client(verify=not self.local, timeout=10)
        self.key = _secret("API_KEY_FILE", ROOT / "secrets/development/client_key")

    @cached_property
    def grafana_login(self) -> tuple[str, str]:
        secrets = ROOT / (os.environ.get("SECRETS_DIR") or "secrets/development")
        return "admin", _secret("GRAFANA_PASSWORD_FILE", secrets / "grafana_admin_password")

    def outside(self, method: str, path: str, **options: Any) -> httpx.Response:
        """A request with the API key, whatever the answer is."""
        headers = {"Authorization": f"Bearer {self.key}", **options.pop("headers", {})}
        try:
            return self.client.request(method, self.host + path, headers=headers, **options)
        except httpx.TransportError as error:
            raise AssertionError(
                f"Nothing answers at {self.host} ({error}). Start the stack with `make up`, or set HOST."
            ) from None

    @contextmanager
    def following(self, job_id: str) -> Iterator[Iterator[str]]:
        """The lines of a job's events, as they arrive."""
        headers = {"Authorization": f"Bearer {self.key}"}
        with self.client.stream("GET", f"{self.host}/jobs/{job_id}/events", headers=headers) as answer:
            assert answer.status_code == 200
            yield answer.iter_lines()

    def inside(self, url: str, **options: Any) -> Json:
        try:
            response = self.client.get(url, **options)
        except httpx.TransportError as error:
            raise AssertionError(
                f"Nothing answers at {url} ({error}). See `docker compose ps`; for another machine open a tunnel."
            ) from None
        assert response.is_success, f"{url} answered {response.status_code}: {response.text[:500]}"
        document: Json = response.json()
        return document

    def from_prometheus(self, path: str, **parameters: str | float) -> Any:
        return self.inside(f"{self.prometheus}/api/v1/{path}", params=parameters)["data"]

    def value(self, query: str) -> float | None:
        """The single value of an instant query; None: no series."""
        found = self.from_prometheus("query", query=query)["result"]
        return float(found[0]["value"][1]) if found else None

    def from_grafana(self, path: str, **parameters: str) -> Any:
        return self.inside(f"{self.grafana}/api/{path}", params=parameters, auth=self.grafana_login)

    def log_lines(self, service: str, request_id: str) -> list[Json]:
        """The JSON lines of a container that carry this request id."""
        command = [*shlex.split(self.logs_command), service]
        found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert found.returncode == 0, (
            f"`{shlex.join(command)}` failed: {found.stderr}\nFor another machine set LOGS_COMMAND, for example "
            "'ssh SERVER docker compose --project-directory /srv/jobs logs --no-log-prefix --since 5m'."
        )
        return [json.loads(line) for line in found.stdout.splitlines() if f'"{request_id}"' in line]


def _secret(variable: str, default: Path) -> str:
    return Path(os.environ.get(variable) or default).read_text().strip()
