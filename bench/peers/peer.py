"""One system of the comparison: what it promises, and what must be installed for it."""

import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

Server = Callable[[Path], AbstractContextManager[Mapping[str, str]]]
"""Starts what the system needs, with its data in that folder, and stops it; gives the environment that leads to it."""


@dataclass(frozen=True)
class Peer:
    name: str
    module: str  # in bench.peers; it has what `bench.peers.system.System` asks for
    server: Server
    packages: Sequence[str]
    program: str  # the server's, "" for none
    concurrency: int  # of its worker in the drain: the fastest that was found on two cores
    jobs: int  # of a drain, so that it takes some seconds
    durability: str  # what is on disk before the 202
    promise: str
    after_kill: str  # how the jobs of a killed worker come back, by its defaults

    def versions(self) -> dict[str, str]:
        found = {package: version(package) for package in self.packages}
        if self.program:
            said = subprocess.run([program(self.program), "--version"], check=True, capture_output=True, text=True)
            found[self.program] = (re.findall(r"\d+(?:\.\d+)+", said.stdout) or [said.stdout.strip()])[0]
        return found

    def facts(self) -> dict[str, object]:
        return {
            "versions": self.versions(),
            "durability": self.durability,
            "promise": self.promise,
            "after_kill": self.after_kill,
            "concurrency": self.concurrency,
        }

    def missing(self) -> str:
        """What is not installed that it needs, and how to get it; nothing: ""."""
        lacking = [package for package in self.packages if not _installed(package)]
        found = [f"the Python packages {', '.join(lacking)} (make bench installs them)"] if lacking else []
        if self.program and not program(self.program):
            found.append(f"{self.program} (apt-get install {DEBIAN[self.program]})")
        return " and ".join(found)


DEBIAN = {"redis-server": "redis-server", "postgres": "postgresql"}


def program(name: str) -> str:
    """Its path, or "". Debian keeps PostgreSQL's programs out of PATH."""
    beside = max(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), default=Path())
    return shutil.which(name) or (str(beside) if beside.is_file() else "")


def available(peers: Sequence[Peer]) -> list[Peer]:
    """Those that can be measured here; of the others it says what they want."""
    for peer in peers:
        if wanted := peer.missing():
            print(f"{peer.name} is left out, it needs {wanted}", flush=True)
    return [peer for peer in peers if not peer.missing()]


def _installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True
