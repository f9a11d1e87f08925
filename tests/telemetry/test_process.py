"""A whole process: its two streams, and its watchdog."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.telemetry.loop import EXIT_STATUS, LoopWatch
from tests.processes.running import free_port
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]


def lines(written: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.splitlines()]


@pytest.fixture
def server() -> Iterator[tuple[httpx.Client, subprocess.Popen[bytes]]]:
    port = free_port()
    command = [sys.executable, "-m", "tests.telemetry.serving", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with process, httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:

        def answers() -> bool:
            try:
                return client.get("/up").status_code == 404
            except httpx.TransportError:
                return False

        try:
            wait_until(answers, "the server answers")
            yield client, process
        finally:
            process.kill()


def test_stdout_is_json_and_stderr_is_empty_whatever_happens(
    server: tuple[httpx.Client, subprocess.Popen[bytes]],
) -> None:
    client, process = server
    assert client.get("/fails").text == "sorry"
    with pytest.raises(httpx.RemoteProtocolError):  # cut, not ended as if it were whole
        client.get("/breaks")
    client.get("/noise")
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert err == b""
    seen = lines(out)
    errors = [line for line in seen if line["level"] == "error"]
    assert [line["message"] for line in errors] == [
        "request_finished",
        "request_finished",
        "thread_crashed",
        "exception_ignored",
    ]
    assert [line["path_with_query"] for line in errors[:2]] == ["/fails", "/breaks"]
    (warning,) = [line for line in seen if line["level"] == "warning"]
    assert (warning["message"], warning["source"].split(":")[:2]) == (
        "old cup",
        ["tests/telemetry/serving.py", "noise"],
    )
    assert any(line["message"].startswith("Uvicorn running") for line in seen)


def test_an_uncaught_exception_is_a_line_on_stdout() -> None:
    program = "from service.telemetry.logging import configure_logging as c; c('json'); 1 // 0"
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=False)
    assert (run.returncode, run.stderr) == (1, b"")
    (line,) = lines(run.stdout)
    assert (line["level"], line["message"], line["source"]) == ("critical", "process_crashed", "<string>:<module>:1")


def test_lines_of_several_processes_on_one_pipe_do_not_mix() -> None:
    program = (
        "import os; from service.telemetry.logging import configure_logging as c, get_logger as g; c('json')\n"
        "for worker in range(4):\n"
        "  if os.fork() == 0:\n"
        "    for n in range(500): g().info('cup_filled', text='x' * 1500, number=n)\n"
        "    os._exit(0)\n"
        "for worker in range(4): os.wait()"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=True)
    assert len(lines(run.stdout)) == 2000


def test_a_closed_stdout_harms_nobody() -> None:
    program = (
        "import os; from service.telemetry.logging import configure_logging as c, get_logger as g; c('json')\n"
        "os.close(1); g().info('cup_filled'); os._exit(7)"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 7


def test_a_stalled_event_loop_is_reported_and_ends_the_process() -> None:
    run = subprocess.run([sys.executable, "-m", "tests.telemetry.stalling"], cwd=ROOT, capture_output=True, check=False)
    assert run.returncode == EXIT_STATUS
    assert run.stderr == b""
    (line,) = lines(run.stdout)
    assert (line["level"], line["message"]) == ("critical", "event_loop_stalled")
    assert line["seconds"] >= 1
    assert line["exception"].startswith("Thread MainThread:")
    assert "block_the_loop" in line["exception"]


def test_a_stalled_process_ends_even_if_nobody_reads_its_log() -> None:
    """A full pipe may be the very thing that stalls the loop."""
    program = (
        "import asyncio, os, tests.telemetry.stalling as s\n"
        "from service.telemetry.logging import configure_logging as c\n"
        "os.set_blocking(1, False)\n"
        "try:\n  while True: os.write(1, b'x' * 4096)\n"
        "except BlockingIOError: os.set_blocking(1, True)\n"
        "c('json'); asyncio.run(s.main())"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE) as process:
        wait_until(lambda: process.poll() is not None, "its end")
        assert process.returncode == EXIT_STATUS


async def test_a_late_loop_is_seen_in_its_lag() -> None:
    watch = LoopWatch(0, lambda *_: None)
    async with watch.open():
        assert watch.lag_seconds() < 10
        time.sleep(0.3)  # noqa: ASYNC251  the stall itself
        while watch.lag_seconds() < 0.15:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
