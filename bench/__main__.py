"""`make bench`: every bench in turn, its tables on the screen, its figures in docs/bench/results.json, and the plots
and tables of the documentation drawn from that. This machine only; the full form takes about 45 minutes.

    python -m bench [PART …] [--rounds 5] [--seconds 4] [--smoke]

A part that is measured again replaces its figures; the others stay. `--smoke` is small and writes nothing: it fails
unless every part runs, gives all its figures, and loses no job. It judges no speed.
"""

import argparse
import logging
import math
import os
import platform
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from bench import history, results
from bench.acknowledge import acknowledge
from bench.execution import execution
from bench.figures import Part
from bench.memory import memory
from bench.peers import drain as peers_drain
from bench.peers import kill as peers_kill
from bench.peers import submission as peers_submission
from bench.peers.peer import available
from bench.peers.roster import PEERS, SMOKED
from bench.reads import reads
from bench.request import request
from bench.rows import rows
from bench.submission import submission
from bench.waiting import polls, streams
from service.store import driver

LOADED = ("submission", "execution", "peers_submission", "peers_sweep", "reads")
"""By wrk."""

Parts = Mapping[str, Callable[[], Part]]


def full(rounds: int, seconds: float, folder: Path) -> Parts:
    """In the order in which they run."""
    million = 1_000_000
    few = min(rounds, 3)  # each of these rounds takes a minute
    return {
        "submission": lambda: submission(rounds, seconds),
        "acknowledge": lambda: acknowledge(rounds),
        "request": lambda: request(rounds),
        "execution": lambda: execution(rounds),
        "peers_drain": lambda: peers_drain.drain(rounds, available(PEERS)),
        "peers_submission": lambda: peers_submission.submission(rounds, seconds, available(PEERS)),
        "peers_sweep": lambda: peers_submission.sweep(1, seconds, available(PEERS)),
        "peers_kill": lambda: peers_kill.killed(peers_kill.LONGEST_SECONDS, available(PEERS)),
        "rows": lambda: rows(_history(folder, million), million, 2 * rounds, 4096),
        "reads": lambda: reads(_history(folder, million), million, rounds, 2),
        "memory": lambda: memory(200_000),
        "streams": lambda: streams(10_000, few, 15),
        "polls": lambda: polls(10_000, few, 15),
    }


def small(folder: Path) -> Parts:
    """One round of little of everything."""
    return {
        "submission": lambda: submission(1, 1),
        "acknowledge": lambda: acknowledge(1, 1),
        "request": lambda: request(1, 100),
        "execution": lambda: execution(1, 1, 20),
        "peers_drain": lambda: peers_drain.drain(1, available(SMOKED), 0.02),
        "peers_submission": lambda: peers_submission.submission(1, 1, available(SMOKED)),
        "rows": lambda: rows(_history(folder, 2_000), 2_000, 1, 512),
        "reads": lambda: reads(_history(folder, 2_000), 2_000, 1, 1),
        "memory": lambda: memory(2_000),
        "streams": lambda: streams(50, 1, 2),
        "polls": lambda: polls(50, 1, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help="all unless named")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4, help="of each load")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--without-load", action="store_true", help="leave out the parts that need wrk")
    given = parser.parse_args()
    logging.getLogger("alembic").setLevel(logging.WARNING)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is stopped
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        parts = small(Path(folder)) if given.smoke else full(given.rounds, given.seconds, Path(folder))
        if unknown := set(given.parts) - set(parts):
            parser.error(f"no such part: {', '.join(sorted(unknown))}; there are: {', '.join(parts)}")
        chosen = [name for name in given.parts or parts if not (given.without_load and name in LOADED)]
        if shutil.which("wrk") is None and not set(LOADED).isdisjoint(chosen):
            parser.error(f"{', '.join(LOADED)} need wrk: apt-get install wrk, or brew install wrk")
        print(f"{_machine()}\n", flush=True)
        for name in chosen:
            started = time.monotonic()
            print(f"\n{name}", flush=True)
            part = parts[name]()
            print(f"\n{part.table()}\n  ({time.monotonic() - started:.0f} s)", flush=True)
            if given.smoke:
                _require_sane(part)
            else:
                results.store(part, _machine())
    if given.smoke:
        print("\nevery part ran, with all its figures")
    else:
        results.write()
        print(f"\nin {results.FILE}, {results.PAGE} and {results.README}")


def _require_sane(part: Part) -> None:
    for figure in part.figures:
        least = -math.inf if figure.name.startswith(("growth", "added by")) else 0.0
        if not figure.values or not all(math.isfinite(value) and value >= least for value in figure.values):
            raise SystemExit(f"{part.name}: {figure.name} is {figure.values}")
        if figure.unit in ("1/s", "jobs/s") and not all(figure.values):
            raise SystemExit(f"{part.name}: {figure.name} is nothing at all")


def _history(folder: Path, jobs: int) -> Path:
    """A database with so many finished jobs; made once."""
    path = folder / f"{jobs}.db"
    if not path.exists():
        print(f"  a database of {jobs:,} finished jobs", flush=True)
        history.write(path, jobs)
    return path


def _machine() -> str:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"{platform.system()} {platform.machine()}, {cores} cores, which the load generator shares; "
        f"CPython {platform.python_version()}, SQLite {driver.sqlite_version()}"
    )


if __name__ == "__main__":
    main()
