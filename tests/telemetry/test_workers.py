"""One scrape answers for every worker process, whichever is asked, also when some do not answer."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from service.telemetry import slot
from tests.telemetry.making import ACCEPT_OPENMETRICS, make_job, make_telemetry, parsed, scraped

ROOT = Path(__file__).parents[2]


class Worker:
    def __init__(self, runtime_dir: Path, workers: int) -> None:
        command = [sys.executable, "-m", "tests.telemetry.worker", str(runtime_dir), str(workers)]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def number(self) -> int:
        """Returns once its telemetry is open."""
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def running(runtime_dir: Path, workers: int) -> Iterator[Worker]:
    worker = Worker(runtime_dir, workers)
    with worker.process:
        try:
            yield worker
        finally:
            worker.process.kill()


def up(text: str) -> dict[str, str]:
    return dict(re.findall(r'^worker_up\{worker="(\d+)"\} (\S+)$', text, re.MULTILINE))


async def test_one_answer_has_every_worker_with_its_exemplars(tmp_path: Path) -> None:
    with running(tmp_path, 3) as one, running(tmp_path, 3) as other:
        assert {one.number(), other.number()} == {0, 1}
        telemetry = make_telemetry(runtime_dir=tmp_path, workers=3, span_exporter=InMemorySpanExporter())
        async with telemetry.open():
            assert telemetry.worker == 2
            with telemetry.jobs.attempt(make_job()):
                pass
            text = await scraped(telemetry, ACCEPT_OPENMETRICS)
    assert up(text) == {"0": "1.0", "1": "1.0", "2": "1.0"}
    families = {family.name: family for family in parsed(text)}
    waited = [
        s for s in families["job_wait_seconds"].samples if s.name.endswith("_count") and s.labels["kind"] == "sleep"
    ]
    assert {sample.labels["worker"]: sample.value for sample in waited} == {"0": 1, "1": 1, "2": 1}
    with_exemplars = {s.labels["worker"] for s in families["job_wait_seconds"].samples if s.exemplar}
    assert with_exemplars == {"0", "1", "2"}
    assert len({s.value for s in families["process_start_time_seconds"].samples}) >= 1
    assert [s.labels for s in families["disk_free_bytes"].samples] == [{}]  # of the database, not of a worker


async def test_a_dead_worker_is_down_and_its_successor_has_its_number(tmp_path: Path) -> None:
    telemetry = make_telemetry(runtime_dir=tmp_path, workers=3)
    async with telemetry.open():
        with running(tmp_path, 3) as victim, running(tmp_path, 3) as survivor:
            number = victim.number()
            assert survivor.number() != number
            victim.kill()
            assert up(await scraped(telemetry))[str(number)] == "0.0"
            with running(tmp_path, 3) as successor:
                assert successor.number() == number
                assert set(up(await scraped(telemetry)).values()) == {"1.0"}


async def test_a_worker_that_hangs_is_down_and_does_not_hold_up_the_answer(tmp_path: Path) -> None:
    telemetry = make_telemetry(runtime_dir=tmp_path, workers=2)
    async with telemetry.open():
        with running(tmp_path, 2) as worker:
            number = str(worker.number())
            os.kill(worker.process.pid, signal.SIGSTOP)
            text = await scraped(telemetry)
            assert up(text) == {"0": "1.0", number: "0.0"}
            os.kill(worker.process.pid, signal.SIGCONT)
            assert up(await scraped(telemetry)) == {"0": "1.0", number: "1.0"}


async def test_a_leftover_socket_or_a_foreign_answer_is_no_worker(tmp_path: Path) -> None:
    (tmp_path / "worker-1.sock").write_text("not a socket")
    telemetry = make_telemetry(runtime_dir=tmp_path, workers=2)
    async with telemetry.open():
        assert up(await scraped(telemetry)) == {"0": "1.0", "1": "0.0"}


async def test_the_telemetry_leaves_nothing_open_behind(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    for _ in range(2):
        async with make_telemetry(runtime_dir=tmp_path, workers=1).open():
            assert (tmp_path / "worker-0.sock").is_socket()
        assert not (tmp_path / "worker-0.sock").exists()
    assert {thread for thread in threading.enumerate() if not thread.daemon} <= before | {threading.main_thread()}


def test_numbers_are_given_in_order_and_freed(tmp_path: Path) -> None:
    with slot.held(tmp_path, 2) as first, slot.held(tmp_path, 2) as second:
        assert (first, second) == (0, 1)
        with slot.held(tmp_path, 2) as while_one_leaves:
            assert while_one_leaves == 2
    with slot.held(tmp_path, 2) as again:
        assert again == 0


def test_a_folder_shared_by_two_services_is_refused(tmp_path: Path) -> None:
    with ExitStack() as held:
        for _ in range(2):
            held.enter_context(slot.held(tmp_path, 1))
        with pytest.raises(RuntimeError, match="give each service its own"):
            held.enter_context(slot.held(tmp_path, 1))
