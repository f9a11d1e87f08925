"""A system's own code, in a process of its own: `python -m bench.peers.system MODULE prepare | queue | work | known`.

So no system's imports, loops or signal handlers meet another's, and a worker can be killed.
"""

import importlib
import sys
from collections.abc import Sequence
from typing import Protocol, cast

from fastapi import FastAPI


class System(Protocol):
    """What the module of a system has. Where its server is, the environment says (`servers.ADDRESS`)."""

    def prepare(self) -> None:
        """Once, on a fresh server: a schema, say."""

    def app(self) -> FastAPI:
        """`POST /jobs`."""

    def queue(self, kind: str, count: int) -> None:
        """Jobs with the numbers from 0 on, in bulk."""

    def work(self, concurrency: int) -> None:
        """One worker process, until SIGTERM."""

    def known(self) -> int:
        """How many jobs the system itself says are queued or in progress."""


def main(arguments: Sequence[str]) -> None:
    system = cast("System", importlib.import_module(f"bench.peers.{arguments[0]}"))
    match arguments[1:]:
        case ["prepare"]:
            system.prepare()
        case ["queue", kind, count]:
            system.queue(kind, int(count))
        case ["work", concurrency]:
            system.work(int(concurrency))
        case ["known"]:
            print(system.known())
        case other:
            raise SystemExit(f"not a command: {' '.join(other)}")


if __name__ == "__main__":
    main(sys.argv[1:])
