"""The command `backup` as the container runs it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from service.backup.archive import name_of, time_of
from tests.backup.making import Place, lines
from tests.processes.running import ROOT, free_port
from tests.store.making import NOW
from tests.store.processes import child
from tests.waiting import wait_until


class Running:
    def __init__(self, place: Place, part: str | None = None, **settings: Any) -> None:
        self.place = place
        self.port = free_port()
        self._log = place.folder / f"backup-{self.port}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *(["tests.backup.standing", part] if part else ["service", "backup"])],
                cwd=ROOT,
                env=place.environment(port=self.port, **settings),
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def lines(self, message: str) -> list[dict[str, Any]]:
        assert b"Traceback" not in self._log.read_bytes()
        return [line for line in lines(self._log.read_bytes().rpartition(b"\n")[0]) if line["message"] == message]

    def wait_for(self, message: str) -> dict[str, Any]:
        def found() -> list[dict[str, Any]]:
            assert self.process.poll() is None, self._log.read_text()
            return self.lines(message)

        return wait_until(found, message)[-1]

    def wait_until_in(self, part: str) -> None:
        wait_until(lambda: f"{part}\n".encode() in self._log.read_bytes(), f"it stands still in {part}")

    def get(self, path: str) -> str:
        with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return str(answer.read().decode())

    def metric(self, name: str) -> float:
        (value,) = [line.split()[1] for line in self.get("/metrics").splitlines() if line.startswith(f"{name} ")]
        return float(value)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@contextmanager
def running(place: Place, part: str | None = None, **settings: Any) -> Iterator[Running]:
    started = Running(place, part, **settings)
    try:
        yield started
    finally:
        started.process.kill()
        started.process.wait()


def test_the_first_backup_is_made_at_once_and_the_next_ones_on_schedule(place: Place) -> None:
    with running(place, backup_interval_seconds=1) as backups:
        wait_until(lambda: len(backups.lines("backup_verified")) >= 3, "three backups")
        assert backups.metric("backup_interval_seconds") == 1
        assert backups.stop() == 0
    times = [time_of(line["file"]) for line in backups.lines("backup_verified")]
    assert len(set(times)) == len(times)


def test_after_a_restart_the_newest_backup_counts_and_the_next_one_waits_for_its_time(place: Place) -> None:
    with running(place) as first:
        newest = time_of(first.wait_for("backup_verified")["file"])
        assert first.metric("backup_last_verified_timestamp_seconds") == newest
        assert first.stop() == 0
    with running(place) as second:
        second.wait_for("backups_scheduled")
        assert second.metric("backup_last_verified_timestamp_seconds") == newest
        assert second.metric("backup_interval_seconds") == 3600
        assert second.lines("backup_verified") == []
        place.backup(clock=lambda: NOW)
        assert second.metric("backup_last_verified_timestamp_seconds") == NOW, "also one that another process made"
        assert second.stop() == 0


def test_before_the_first_backup_the_time_is_0(place: Place) -> None:
    place.database.unlink()
    with running(place) as backups:
        assert backups.wait_for("backup_failed")["stage"] == "copy"
        assert backups.metric("backup_last_verified_timestamp_seconds") == 0
        assert 'backup_failures_total{stage="copy"} 1.0' in backups.get("/metrics")
        assert 'backup_failures_total{stage="verify"} 0.0' in backups.get("/metrics")
        assert backups.process.poll() is None, "it goes on, and tries again"
        assert backups.stop() == 0


def test_the_health_check_asks_it_as_it_asks_the_service(place: Place) -> None:
    with running(place) as backups:
        backups.wait_for("backups_scheduled")
        assert place.run("ping", port=backups.port).returncode == 0
        with pytest.raises(URLError):
            backups.get("/jobs")
        assert backups.stop() == 0
    assert place.run("ping", port=backups.port).returncode == 1


def test_a_port_that_is_taken_is_said_in_one_line(place: Place) -> None:
    with running(place) as backups:
        backups.wait_for("backups_scheduled")
        found = place.run("backup", port=backups.port)
    assert found.returncode == 1
    assert b"choose another --port" in found.stderr
    assert b"Traceback" not in found.stderr


@pytest.mark.parametrize(
    ("part", "there"), [("copy", {"copy.db"}), ("compress", {"copy.db", ".gz"}), ("extract", {".gz", "restored.db"})]
)
def test_sigterm_in_the_middle_ends_at_once_and_leaves_nothing(place: Place, part: str, there: set[str]) -> None:
    place.add(20, payload={"text": "x" * 10_000})
    with running(place, part=part) as backups:
        backups.wait_until_in(part)
        found = {path.name for path in place.backups.glob(".partial-*/*")}
        assert {name if name.endswith(".db") else ".gz" for name in found} == there
        assert backups.stop() == 0
    assert place.files() == set()
    assert backups.lines("backup_failed") == []
    assert backups.lines("backups_stopped")


def test_sigterm_while_another_process_holds_the_lock_ends_at_once(place: Place) -> None:
    with child("hold", place.database) as holder:
        assert holder.line() == "held"
        with running(place) as backups:
            wait_until(lambda: (place.backups / ".lock").exists(), "it wants the lock")
            assert backups.stop() == 0


def test_a_killed_one_leaves_no_backup_under_its_name_and_the_next_one_clears_up(place: Place) -> None:
    place.add(20, payload={"text": "x" * 10_000})
    with running(place, part="compress") as backups:
        backups.wait_until_in("compress")
        os.kill(backups.process.pid, signal.SIGKILL)
        backups.process.wait(30)
    assert not any(time_of(name) for name in place.files())
    made = place.run("backup", "--once")
    assert made.returncode == 0
    printed = Path(made.stdout.decode().splitlines()[-1])
    assert place.files() == {printed.name}
    assert printed.parent == place.backups
    assert "backup_leftover_deleted" in made.stdout.decode()


def test_one_now_fails_with_1(place: Place) -> None:
    place.database.unlink()
    found = place.run("backup", "--once")
    assert found.returncode == 1
    (line,) = [line for line in lines(found.stdout) if line["message"] == "backup_failed"]
    assert (line["level"], line["stage"]) == ("error", "copy")
    assert found.stderr == b""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_two_at_once_take_turns(place: Place) -> None:
    place.add(1)
    with running(place, part="compress") as first:
        first.wait_until_in("compress")
        with running(place) as second:
            wait_until(lambda: has_open(second.process.pid, place.backups / ".lock"), "the second wants its turn")
            assert len(list(place.backups.glob(".partial-*"))) == 1
            assert first.stop() == 0
            second.wait_for("backup_verified")
            assert second.lines("backup_leftover_deleted") == []
            assert second.stop() == 0


def has_open(pid: int, file: Path) -> bool:
    return any(os.path.realpath(each) == str(file) for each in Path(f"/proc/{pid}/fd").iterdir())


def test_names_have_the_time_of_the_snapshot() -> None:
    assert name_of(NOW) == "jobs-20270115T080000Z.db.gz"
