"""A system set up in a folder of its own, and its worker: started, killed, and watched by what its jobs record."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.peers import work
from bench.peers.peer import Peer
from bench.running import ROOT

STOP_SECONDS = 20


@dataclass(frozen=True)
class Place:
    """Where one system's server, files and records are."""

    peer: Peer
    folder: Path
    environment: Mapping[str, str]

    @property
    def records(self) -> Path:
        return self.folder / "records"

    @property
    def log(self) -> Path:
        return self.folder / "worker.log"

    def recorded_bytes(self) -> int:
        return self.records.stat().st_size

    def command(self, *words: object) -> list[str]:
        return [sys.executable, "-m", "bench.peers.system", self.peer.module, *map(str, words)]

    def call(self, *words: object) -> str:
        """Run one of the system's commands; returns what it prints."""
        found = subprocess.run(
            self.command(*words), cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False
        )
        if found.returncode != 0:
            raise SystemExit(f"{self.peer.name}, {words[0]}: {found.stdout}{found.stderr}")
        return found.stdout.strip()

    def start(self, concurrency: int) -> "subprocess.Popen[bytes]":
        """One worker process, in a process group of its own, so that its children can be killed with it."""
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self.command("work", concurrency),
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait_for_bytes(self, count: int, worker: "subprocess.Popen[bytes]", seconds: float) -> None:
        """Until the jobs have recorded that much; looks a hundred times a second, which costs nothing."""
        deadline = time.monotonic() + seconds
        while self.recorded_bytes() < count:
            if worker.poll() is not None or time.monotonic() > deadline:
                log = self.log.read_text()[-4000:]
                raise SystemExit(
                    f"{self.peer.name}: {self.recorded_bytes()} of {count} bytes recorded; its log:\n{log}"
                )
            time.sleep(0.01)


@contextmanager
def placed(peer: Peer) -> Iterator[Place]:
    """With its server running and prepared; all is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="peer-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with peer.server(folder) as found:
            # A killed process leaves its temporary files behind: here, then.
            own = {work.RECORDS: str(folder / "records"), "TMPDIR": name}
            place = Place(peer, folder, os.environ | found | own)
            place.records.touch()
            place.call("prepare")
            yield place


def stop(worker: "subprocess.Popen[bytes]") -> None:
    """Politely, then not; and whatever the worker left in its group."""
    worker.terminate()
    with suppress(subprocess.TimeoutExpired):
        worker.wait(STOP_SECONDS)
    kill(worker)


def kill(worker: "subprocess.Popen[bytes]") -> None:
    """As `kill -9` of it and all its children."""
    with suppress(ProcessLookupError):
        os.killpg(worker.pid, signal.SIGKILL)
    worker.wait(STOP_SECONDS)
