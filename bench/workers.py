"""How many uvicorn workers this machine wants: POST /jobs with 1, 2 and 4, in interleaved rounds, telemetry on.

    python bench/workers.py [ROUNDS]        needs wrk (Debian: apt-get install wrk); aims at this machine only

In each round every count of workers is measured once, in turn, on a fresh database, so that a machine whose speed
drifts slows all of them alike. What counts is the ratio within a round.
"""

import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[1]
COUNTS = (1, 2, 4)
CONNECTIONS = 32
SECONDS = 5
# The jobs wait for tomorrow: what is measured is the submission, not the execution of what was submitted.
SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer dev-key"
wrk.body = '{"kind": "sleep", "payload": {"seconds": 0}, "run_at": "2099-01-01T00:00:00Z"}'
"""


def main(rounds: int) -> None:
    print(f"{os.cpu_count()} cores, {CONNECTIONS} connections, {SECONDS} s each; wrk and the service share the cores\n")
    print(f"{'round':>5} " + "".join(f"{count:>10} worker(s): 1/s, p99 ms" for count in COUNTS))
    rates: dict[int, list[float]] = {count: [] for count in COUNTS}
    tails: dict[int, list[float]] = {count: [] for count in COUNTS}
    for number in range(1, rounds + 1):
        cells = []
        for count in COUNTS:
            rate, tail = measure(count)
            rates[count].append(rate)
            tails[count].append(tail)
            cells.append(f"{rate:>25,.0f} {tail:>11.1f}")
        print(f"{number:>5} " + "".join(cells), flush=True)
    print("\nratio of requests/s to one worker, median of the rounds (least, greatest):")
    for count in COUNTS[1:]:
        ratios = [each / one for each, one in zip(rates[count], rates[1], strict=True)]
        print(f"  {count} workers: {statistics.median(ratios):.2f} ({min(ratios):.2f}, {max(ratios):.2f})")
    for count in COUNTS:
        print(f"median p99 with {count}: {statistics.median(tails[count]):.1f} ms")


def measure(workers: int) -> tuple[float, float]:
    """Requests per second, and the 99th percentile of their latency in milliseconds."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        port = free_port()
        script = Path(folder, "submit.lua")
        script.write_text(SCRIPT)
        settings = {
            "SERVICE_PORT": str(port),
            "SERVICE_WORKERS": str(workers),
            "SERVICE_DATABASE_URL": f"sqlite:///{folder}/jobs.db",
            "SERVICE_LOG_FORMAT": "json",
            "SERVICE_MAX_QUEUED": "10000000",
        }
        with Path(folder, "log").open("wb") as log:
            command = [sys.executable, "-m", "service"]
            service = subprocess.Popen(command, cwd=ROOT, env=os.environ | settings, stdout=log, stderr=log)
        try:
            wait_ready(port)
            wrk = ["wrk", "-t1", f"-c{CONNECTIONS}", "--latency", "-s", str(script)]
            subprocess.run([*wrk, "-d1", f"http://127.0.0.1:{port}/jobs"], check=True, capture_output=True)
            command = [*wrk, f"-d{SECONDS}", f"http://127.0.0.1:{port}/jobs"]
            report = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        finally:
            service.send_signal(signal.SIGTERM)
            service.wait(60)
    if "Non-2xx" in report:
        raise SystemExit(f"some requests failed, so the figures mean nothing:\n{report}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", report)
    tail = re.search(r"99%\s+([\d.]+)(us|ms|s)", report)
    if not (rate and tail):
        raise SystemExit(f"wrk's report is not understood:\n{report}")
    return float(rate[1]), float(tail[1]) * {"us": 0.001, "ms": 1, "s": 1000}[tail[2]]


def wait_ready(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("the service does not get ready")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
