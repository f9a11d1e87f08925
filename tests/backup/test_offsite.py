"""The copy off the machine: the real rclone, to a real server on this machine."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service.backup import offsite
from service.backup.archive import name_of
from service.backup.offsite import Offsite
from service.backup.stop import Stop
from tests.backup.making import Place, ids, lines
from tests.processes.running import free_port
from tests.store.making import NOW
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(shutil.which(offsite.PROGRAM) is None, reason="rclone is not installed: make setup")

SERVERS = {
    "sftp": (
        ["--user", "backup", "--pass", "secret"],
        "type = sftp\nhost = 127.0.0.1\nport = {port}\nuser = backup\npass = {hidden}\n",
        "jobs",
    ),
    "s3": (
        ["--auth-key", "key,secret"],
        "type = s3\nprovider = Rclone\nendpoint = http://127.0.0.1:{port}\naccess_key_id = key\n"
        "secret_access_key = secret\n",
        "bucket/jobs",
    ),
}


class Other:
    """Another machine, as far as rclone is concerned."""

    def __init__(self, folder: Path, kind: str) -> None:
        options, configuration, path = SERVERS[kind]
        port = free_port()
        self.folder = folder / "other"
        (self.folder / "bucket").mkdir(parents=True)
        self.remote = f"offsite:{path}"
        self.arrived = self.folder / path
        self.configuration = folder / "rclone.conf"
        hidden = _rclone("obscure", "secret").strip()
        self.configuration.write_text("[offsite]\n" + configuration.format(port=port, hidden=hidden))
        self._log = folder / "server.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [offsite.PROGRAM, "serve", kind, *options, "--addr", f"127.0.0.1:{port}", self.folder],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.offsite = Offsite(self.remote, self.configuration, Stop())

    def answers(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()
        listed = subprocess.run(
            [offsite.PROGRAM, "lsd", "--config", self.configuration, "--retries", "1", "offsite:"],
            capture_output=True,
            check=False,
        )
        return listed.returncode == 0

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def other(place: Place) -> Iterator[Callable[[str], Other]]:
    started: list[Other] = []

    def start(kind: str) -> Other:
        started.append(Other(place.folder, kind))
        wait_until(started[-1].answers, f"a server for {kind}")
        return started[-1]

    yield start
    for each in started:
        each.stop()


@pytest.mark.parametrize("kind", SERVERS)
def test_a_backup_arrives_is_rotated_there_and_comes_back(
    place: Place, other: Callable[[str], Other], kind: str
) -> None:
    there = other(kind)
    jobs = place.add(3)
    for second in range(3):
        a_round = place.round(there.offsite, clock=iter([NOW + second]).__next__, backup_keep_newest=2)
        assert a_round.run()
        assert a_round.copy_off()
    newest = name_of(NOW + 2)
    assert place.files() == {path.name for path in there.arrived.iterdir()} == {name_of(NOW + 1), newest}
    assert (there.arrived / newest).read_bytes() == (place.backups / newest).read_bytes()
    assert place.telemetry.registry.get_sample_value("backup_last_copied_timestamp_seconds") == NOW + 2

    shutil.rmtree(place.backups)  # the machine is lost; another one has the configuration only
    place.database.unlink()
    done = place.run(
        "restore", "newest", "--remote", backup_remote=there.remote, backup_rclone_file=there.configuration
    )
    assert done.returncode == 0, done.stderr
    assert set(ids(place.database)) == {job.id for job in jobs}
    assert list(place.backups.iterdir()) == []


def test_what_is_there_already_is_not_sent_again_and_foreign_files_are_left_alone(
    place: Place, other: Callable[[str], Other]
) -> None:
    there = other("sftp")
    place.backup(clock=lambda: NOW)
    a_round = place.round(there.offsite, backup_keep_newest=1, backup_keep_days=0)
    assert a_round.copy_off()
    (there.arrived / "notes.txt").write_text("mine")
    sent = (there.arrived / name_of(NOW)).stat().st_mtime_ns
    assert a_round.copy_off()
    assert (there.arrived / name_of(NOW)).stat().st_mtime_ns == sent
    assert (there.arrived / "notes.txt").exists()


def test_a_copy_that_differs_is_found_and_sent_again(place: Place, other: Callable[[str], Other]) -> None:
    there = other("s3")
    backup = place.backup()
    a_round = place.round(there.offsite)
    assert a_round.copy_off()
    (there.arrived / backup.name).write_bytes(b"cut off")
    assert a_round.copy_off()
    assert (there.arrived / backup.name).read_bytes() == backup.read_bytes()


def test_a_remote_that_does_not_answer_costs_no_backup(place: Place, other: Callable[[str], Other]) -> None:
    there = other("sftp")
    there.stop()
    a_round = place.round(there.offsite)
    backup = a_round.run()
    assert backup
    assert not a_round.copy_off()
    assert place.failures("offsite") == 1
    assert place.telemetry.registry.get_sample_value("backup_last_copied_timestamp_seconds") == 0
    assert place.files() == {backup.name}


def test_a_remote_that_is_not_configured_is_named(place: Place) -> None:
    (place.folder / "rclone.conf").write_text("# nothing\n")
    configuration = place.folder / "rclone.conf"
    found = place.run("backup", "--once", backup_remote="nowhere:jobs", backup_rclone_file=configuration)
    assert found.returncode == 1
    (line,) = [line for line in lines(found.stdout) if line["message"] == "backup_failed"]
    assert line["stage"] == "offsite"
    assert "nowhere" in line["reason"]
    assert line["reason"].startswith("rclone copy: Failed"), "without rclone's own date"
    assert len(place.files()) == 1, "the backup itself is there"


def _rclone(*arguments: str) -> str:
    return subprocess.run([offsite.PROGRAM, *arguments], capture_output=True, text=True, check=True).stdout
