"""Whether the service keeps its pace and its size when there is much of something: finished jobs in the database, jobs
run by one process, clients that wait.

    python -m bench.scale [--parts rows reads memory streams polls] [--rows 1000000] [--jobs 200000]
                          [--waiters 10000] [--rounds 5] [--smoke] [--json FILE]        needs wrk, and 1 GB of disk
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench import history
from bench.figures import Part
from bench.memory import memory
from bench.reads import reads
from bench.rows import rows
from bench.waiting import polls, streams

PARTS = ("rows", "reads", "memory", "streams", "polls")


def measured(names: Sequence[str], row_count: int, jobs: int, waiters: int, rounds: int, smoke: bool) -> Iterator[Part]:
    """`smoke`: so little that it only shows that all this runs."""
    if smoke:
        row_count, jobs, waiters, rounds = 2_000, 2_000, 50, 1
    seconds = 1 if smoke else 3
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        full = Path(folder, "full.db")
        parts: dict[str, Callable[[], Part]] = {
            "rows": lambda: rows(full, row_count, rounds * 2, 512 if smoke else 4096),
            "reads": lambda: reads(full, row_count, rounds, seconds),
            "memory": lambda: memory(jobs),
            "streams": lambda: streams(waiters, rounds, seconds * 5),
            "polls": lambda: polls(waiters, rounds, seconds * 5),
        }
        if {"rows", "reads"} & set(names):
            print(f"a database of {row_count:,} finished jobs", flush=True)
            history.write(full, row_count)
        for name in names:
            print(f"\n{name}", flush=True)
            yield parts[name]()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__.split("\n\n")[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--rows", type=int, default=1_000_000, help="finished jobs in the database")
    parser.add_argument("--jobs", type=int, default=200_000, help="that one process runs")
    parser.add_argument("--waiters", type=int, default=10_000, help="event streams, and then long polls")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--smoke", action="store_true", help="a minute, to see that it runs")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    given = parser.parse_args()
    found = []
    for part in measured(given.parts, given.rows, given.jobs, given.waiters, given.rounds, given.smoke):
        found.append(part)
        facts = "".join(f"\n  {name}: {value}" for name, value in part.facts.items())
        print(f"\n{part.table()}\n{facts}", flush=True)
    if given.json:
        given.json.write_text(json.dumps([part.as_json() for part in found], indent=1))


if __name__ == "__main__":
    main()
