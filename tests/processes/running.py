"""The real service in real processes: `python -m service` on a free port, its log and its workers."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.processes.connection import KEY as KEY
from tests.processes.connection import NONE, Answer, Connection
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]

WITH_EXTRA_KINDS = "tests.processes.serve"
"""The `module` of a service that also has the kinds of `tests.processes.kinds`."""


class RunningService:
    """`settings` are SERVICE_ names in lower case, or OTEL_ names as they are; `module` of `code` is what is run."""

    def __init__(
        self, folder: Path, *, database: str = "jobs.db", module: str = "service", code: Path = ROOT, **settings: Any
    ) -> None:
        self.database = folder / database
        self._module = module
        self._code = code
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log_path = folder / f"service-{self.port}.log"
        environment = {"database_url": f"sqlite:///{self.database}", "port": self.port, "log_format": "json"} | settings
        self._environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("SERVICE_", "OTEL_"))
        }
        for name, value in environment.items():
            self._environment[name if name.isupper() else f"SERVICE_{name.upper()}"] = str(value)
        # Where it makes its runtime directory: one that is killed with -9 leaves that behind.
        self._temporary = Path(tempfile.mkdtemp(prefix="test-"))
        self._environment["TMPDIR"] = str(self._temporary)
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
                [sys.executable, "-m", self._module],
                cwd=self._code,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_until(self.all_ready, f"service ready; its log:\n{self._log_path.read_text()}")
        return self

    @property
    def runtime_dir(self) -> Path:
        """Where its workers reach each other."""
        (found,) = self._temporary.glob("jobs-*")
        return found

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
        whole, _, _ = self._log_path.read_bytes().rpartition(b"\n")  # the last line may still be on its way
        found = [json.loads(line) for line in whole.splitlines()]
        wanted = fields | ({"message": message} if message else {})
        return [line for line in found if all(line.get(name) == value for name, value in wanted.items())]

    def ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] = NONE) -> Answer:
        """On a connection of its own, so that any worker may answer it."""
        with Connection(self.port) as connection:
            return connection.ask(method, path, body, headers)

    def ask_again(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] = NONE) -> Answer:
        """As a client does whose workers die under it: until one answers. A POST wants an Idempotency-Key for that."""

        def answer() -> Answer | None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                return self.ask(method, path, body, headers)
            return None

        found = wait_until(answer, f"an answer to {method} {path}")
        assert found is not None
        return found

    @contextmanager
    def only(self, worker: int) -> Iterator[None]:
        """Meanwhile that worker alone takes connections: its siblings are stopped. For nothing that writes, as one of
        them may hold the lock."""
        siblings = [pid for pid in self.worker_pids() if pid != worker]
        try:
            for pid in siblings:
                os.kill(pid, signal.SIGSTOP)
            wait_until(lambda: all(is_stopped(pid) for pid in siblings), "its siblings are stopped")
            yield
        finally:
            for pid in siblings:
                os.kill(pid, signal.SIGCONT)

    @contextmanager
    def connections(self, each: int) -> Iterator[list[list[Connection]]]:
        """So many to each worker, in the order of the workers. They have served a request already."""
        with contextlib.ExitStack() as stack:
            found = []
            for worker in self.worker_pids():
                with self.only(worker):
                    found.append([stack.enter_context(Connection(self.port)) for _ in range(each)])
                    for connection in found[-1]:
                        assert connection.ask("GET", "/healthz").status == http.HTTPStatus.OK
            yield found

    def metric(self, name: str, **labels: str) -> float:
        """The sum over the workers."""
        text = self.ask("GET", "/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}).body
        families = text_string_to_metric_families(text.decode())  # type: ignore[no-untyped-call]
        found = [each for family in families for each in family.samples if each.name == name]
        return float(sum(each.value for each in found if labels.items() <= each.labels.items()))

    def submit(self, **fields: Any) -> dict[str, Any]:
        answer = self.ask("POST", "/jobs", {"kind": "sleep"} | fields)
        assert answer.status == http.HTTPStatus.ACCEPTED, answer.body
        return answer.json()

    def job(self, job_id: str) -> dict[str, Any]:
        answer = self.ask("GET", f"/jobs/{job_id}")
        assert answer.status == http.HTTPStatus.OK, answer.body
        return answer.json()

    def stored(self) -> dict[str, tuple[str, int]]:
        """State and attempt of every job by its id, read from the file: also while no service runs."""
        return {row[0]: (row[1], row[2]) for row in self._rows("SELECT id, state, attempt FROM job")}

    def owners(self) -> dict[str, str | None]:
        """Which worker runs a job, by the job's id."""
        return dict(self._rows("SELECT id, owner FROM job"))

    def leases(self) -> dict[str, float | None]:
        """When a job's lease ends, by the job's id; in seconds of the monotonic clock."""
        return dict(self._rows("SELECT id, lease_until FROM job"))

    def _rows(self, query: str, *values: str) -> list[Any]:
        with contextlib.closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as database:
            return database.execute(query, values).fetchall()

    def wait_for_state(self, job_id: str, *states: str) -> dict[str, Any]:
        def reached() -> dict[str, Any] | None:
            # The file is looked at often, as that costs the service nothing; the answer is the API's.
            if self._rows("SELECT state FROM job WHERE id = ?", job_id)[0][0] in states:
                with contextlib.suppress(OSError, http.client.HTTPException):  # of a worker that was just killed
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
        if self._process is not None:
            if self._process.poll() is None:
                self._process.kill()
            for pid in self.worker_pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.wait()
        shutil.rmtree(self._temporary, ignore_errors=True)


def outcomes(job: Mapping[str, Any]) -> list[str | None]:
    return [attempt["outcome"] for attempt in job["attempts"]]


def is_stopped(pid: int) -> bool:
    if Path("/proc/self/stat").exists():
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    stat = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)  # macOS
    return stat.stdout.startswith("T")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
