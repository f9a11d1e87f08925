"""`make faults`: runs the experiments one after another and shows what each has shown.

    python -m tests.faults [NAME …] [--full] [--seed N] [--keep DIR]

Exit 1 when a promise was broken, or something that had to be seen was not; in the long form also when a recovery took
longer than it may. The seed decides who is hit and when; a run
is repeated with `--seed` as printed (the machine's own timing still differs).
"""

import argparse
import asyncio
import json
import random
import shutil
import sys
import tempfile
import time
import traceback
from dataclasses import asdict
from pathlib import Path

from tests.faults import container, experiments, table
from tests.faults.checker import Verdict
from tests.faults.experiment import REGISTRY, Report, Run

assert experiments


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="Break things, and see what is lost.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(REGISTRY)}")
    parser.add_argument("--full", action="store_true", help="the long form")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--keep", type=Path, help="keep databases, logs and ledgers there")
    parser.add_argument("--report", type=Path, help="write the results there, as JSON")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)  # in the container: the folder to work in
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in REGISTRY]:
        parser.error(f"no experiment {unknown[0]!r}; there are: {', '.join(REGISTRY)}")
    if options.inside:
        return inside(options.names[0], options.seed, options.full, options.inside)
    names = options.names or list(REGISTRY)
    print(f"seed {options.seed}, {'long' if options.full else 'short'} form\n", flush=True)
    reports = {}
    for number, name in enumerate(names, start=1):
        print(f"  {number:2}/{len(names)} {name} … ", end="", flush=True)
        began = time.monotonic()
        reports[name] = run(name, options.seed, options.full, options.keep)
        print(f"{time.monotonic() - began:.0f} s{', FAILED' if reports[name].problems else ''}", flush=True)
    print("\n" + table.render(reports))
    if options.report:
        table.record(options.report, reports, options.seed, full=options.full)
    problems = [
        f"{name}: {problem}" for name, report in reports.items() for problem in table.shortened(report.problems)
    ]
    late = [f"{name}: {each}" for name, report in reports.items() for each in report.late]
    if late:
        print("\nLate (counts in the long form, which wants a quiet machine):", *late, sep="\n")
    if options.full:
        problems += late
    if problems:
        print("\nBroken:", *problems, f"Again: make faults SEED={options.seed} NAMES=…", sep="\n")
    return 1 if problems else 0


def run(name: str, seed: int, full: bool, keep: Path | None) -> Report:
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    try:
        if REGISTRY[name].container is not None:
            return container.run(name, seed, full, folder)
        return body(name, seed, full, folder)
    except Exception as error:  # the others still say what they show
        traceback.print_exc()
        return Report("", Verdict(0, 0, 0, 0, 0), surprises=[f"it came to no end: {error}"])
    finally:
        if keep is not None:
            shutil.copytree(folder, keep / name.replace(" ", "-"), dirs_exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)


def body(name: str, seed: int, full: bool, folder: Path) -> Report:
    return asyncio.run(REGISTRY[name].body(Run(folder, random.Random(f"{seed} {name}"), full)))


def inside(name: str, seed: int, full: bool, folder: Path) -> int:
    (folder / container.REPORT).write_text(json.dumps(asdict(body(name, seed, full, folder))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
