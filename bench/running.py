"""What the benches share: a server started, loaded by wrk, and stopped; this machine only.

wrk: Debian `apt-get install wrk`, macOS `brew install wrk`.
"""

import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONNECTIONS = 32
MAX_QUEUED = 10_000_000  # so that no queue is ever full
UVICORN = (
    *(sys.executable, "-m", "uvicorn", "--factory", "--workers", "4", "--port", "{port}"),
    *("--no-access-log", "--log-level", "warning"),
)
FAR = '{"kind": "sleep", "payload": {"seconds": 0}, "run_at": "2099-01-01T00:00:00Z"}'
"""Waits for a far day: what is measured is the submission, not the execution of what was submitted."""


@dataclass(frozen=True)
class Target:
    """A server with `POST /jobs`. `{port}` and `{folder}` in its command and environment are filled in."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Load:
    rate: float  # requests/s
    p50_ms: float
    p99_ms: float
    load_share: float  # of all cores' time, what the load generator took

    def __str__(self) -> str:
        latencies = f"p50 {self.p50_ms:>6.1f} ms   p99 {self.p99_ms:>6.1f} ms"
        return f"{self.rate:>8,.0f}/s   {latencies}   load generator {self.load_share:.0%}"


def service(name: str, module: str = "service", **settings: object) -> Target:
    """`python -m service`, or another module that serves like it; settings are SERVICE_ names in lower case."""
    chosen = {"port": "{port}", "database_url": "sqlite:///{folder}/jobs.db", "log_format": "json", **settings}
    chosen.setdefault("max_queued", MAX_QUEUED)
    environment = {f"SERVICE_{key.upper()}": str(value) for key, value in chosen.items()}
    return Target(name, [sys.executable, "-m", module], environment)


@dataclass(frozen=True)
class Server:
    port: int
    log: Path

    def workers(self, count: int) -> list[int]:
        """Their process ids, once so many have started: the service writes them to its log."""
        while True:
            lines = [line for line in self.log.read_text().splitlines() if '"service_started"' in line]
            if len(lines) >= count:
                return [json.loads(line)["pid"] for line in lines]
            time.sleep(0.1)


@contextmanager
def running(target: Target, folder: Path) -> Iterator[Server]:
    """The server, once it answers; its files and its log stand in `folder`. Stopped at the end, also after an error."""
    port = free_port()

    def filled(text: str) -> str:
        return text.replace("{port}", str(port)).replace("{folder}", str(folder))

    environment = os.environ | {name: filled(value) for name, value in target.environment.items()}
    found = Server(port, folder / "log")
    with found.log.open("wb") as log:
        command = [filled(word) for word in target.command]
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        _wait_until_it_answers(server, port, found.log)
        yield found
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:
            server.kill()  # its workers end with it


def measure(target: Target, seconds: float, connections: int = CONNECTIONS) -> Load:
    """One run on a fresh folder: start, warm up, load, stop."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        script = Path(folder, "submit.lua")
        script.write_text(posting(FAR))
        with running(target, Path(folder)) as server:
            wrk(server.port, script, 1, connections)
            started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
            report = wrk(server.port, script, seconds, connections)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    share = used / (time.monotonic() - started) / (os.cpu_count() or 1)
    rate = float(reported(r"Requests/sec:\s+([\d.]+)", report)[1])
    return Load(rate, latency_ms("50%", report), latency_ms("99%", report), share)


def posting(body: str) -> str:
    """wrk's script that submits that."""
    return f"""
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer dev-key"
wrk.body = '{body}'
"""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wrk(port: int, script: Path, seconds: float, connections: int = CONNECTIONS) -> str:
    """Its report."""
    command = ["wrk", "-t1", f"-c{connections}", "--timeout", "60s", "--latency", "-s", str(script), f"-d{seconds:g}s"]
    try:
        report = subprocess.run([*command, f"http://127.0.0.1:{port}/jobs"], check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise SystemExit("wrk is needed: apt-get install wrk, or brew install wrk") from None
    if "Non-2xx" in report.stdout or "Socket errors" in report.stdout:
        raise SystemExit(f"some requests failed, so the figures mean nothing:\n{report.stdout}")
    return report.stdout


def _wait_until_it_answers(server: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/healthz")
    deadline = time.monotonic() + 60
    while server.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), urllib.request.urlopen(request, timeout=2):  # noqa: S310  our own server
            return
        time.sleep(0.2)
    raise SystemExit(f"the server does not answer; its log:\n{log.read_text()}")


def reported(pattern: str, report: str) -> re.Match[str]:
    found = re.search(pattern, report)
    if found is None:
        raise SystemExit(f"wrk's report is not understood:\n{report}")
    return found


def latency_ms(quantile: str, report: str) -> float:
    """Milliseconds."""
    found = reported(rf"{quantile}\s+([\d.]+)(us|ms|s)\b", report)
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]]
