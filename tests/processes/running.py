"""The real service in real processes: `python -m service` on a free port, its log and its workers."""

import contextlib
import http.client
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
KEY = {"Authorization": "Bearer dev-key"}


class RunningService:
    """`settings` are SERVICE_ names in lower case, or OTEL_ names as they are."""

    def __init__(self, folder: Path, *, database: str = "jobs.db", **settings: Any) -> None:
        self.database = folder / database
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log_path = folder / f"service-{self.port}.log"
        environment = {"database_url": f"sqlite:///{self.database}", "port": self.port, "log_format": "json"} | settings
        self._environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("SERVICE_", "OTEL_"))
        }
        for name, value in environment.items():
            self._environment[name if name.isupper() else f"SERVICE_{name.upper()}"] = str(value)
        # A connection for each request, so that any worker may answer it.
        self.client = httpx.Client(
            base_url=self.url,
            headers=KEY,
            timeout=30,
            trust_env=False,
            verify=False,  # noqa: S501  there is no TLS here, and its context costs 20 ms
            limits=httpx.Limits(max_keepalive_connections=0),
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> "RunningService":
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "service"], cwd=ROOT, env=self._environment, stdout=log, stderr=subprocess.STDOUT
            )
        wait_until(self.all_ready, f"service ready; its log:\n{self._log_path.read_text()}")
        return self

    def all_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log_path.read_text()
        workers = int(self._environment.get("SERVICE_WORKERS", "4"))
        return len(self.worker_pids()) >= workers and self.ready()

    def ready(self) -> bool:
        try:
            return self.client.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def worker_pids(self) -> list[int]:
        """Of all workers that have ever started here, oldest first."""
        return [line["pid"] for line in self.lines("service_started")]

    def lines(self, message: str | None = None, **fields: Any) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self._log_path.read_bytes().splitlines()]
        wanted = fields | ({"message": message} if message else {})
        return [line for line in found if all(line.get(name) == value for name, value in wanted.items())]

    def submit(self, **fields: Any) -> dict[str, Any]:
        # Not httpx: it costs more CPU for a new connection than the service does for the whole request.
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = KEY | {"Content-Type": "application/json"}
        with contextlib.closing(connection):
            connection.request("POST", "/jobs", json.dumps({"kind": "sleep"} | fields), headers)
            answer = connection.getresponse()
            body = answer.read()
        assert answer.status == 202, body
        return dict(json.loads(body))

    def job(self, job_id: str) -> dict[str, Any]:
        return dict(self.client.get(f"/jobs/{job_id}").raise_for_status().json())

    def stored(self) -> dict[str, tuple[str, int]]:
        """State and attempt of every job by its id, read from the file: also while no service runs."""
        with contextlib.closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as database:
            return {row[0]: (row[1], row[2]) for row in database.execute("SELECT id, state, attempt FROM job")}

    def wait_for_state(self, job_id: str, *states: str) -> dict[str, Any]:
        def reached() -> dict[str, Any] | None:
            with contextlib.suppress(httpx.TransportError):  # the connection of a worker that was just killed
                job = self.job(job_id)
                return job if job["state"] in states else None
            return None

        return wait_until(reached, f"job {job_id} in {states}") or {}

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self, bound_seconds: float = 60) -> int:
        """The exit code."""
        assert self._process is not None
        return self._process.wait(bound_seconds)

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return self.wait()

    def close(self) -> None:
        """Leaves nothing behind, whatever the test did."""
        self.client.close()
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.kill()
        for pid in self.worker_pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
