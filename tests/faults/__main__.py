"""`make faults`: runs the experiments one after another and prints what each has shown.

    python -m tests.faults [NAME …] [--full] [--seed N] [--keep DIR]

Exit 1 when a promise was broken or something that had to be seen was not. The seed decides who is hit and when; a run is
repeated with `--seed` as printed (the machine's own timing still differs).
"""

import argparse
import asyncio
import json
import random
import shutil
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from tests.faults import experiments, table
from tests.faults.experiment import REGISTRY, Report, Run

assert experiments


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="Break things, and see what is lost.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(REGISTRY)}")
    parser.add_argument("--full", action="store_true", help="the long form")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--keep", type=Path, help="keep databases, logs and ledgers there")
    parser.add_argument("--report", type=Path, help="write the results there, as JSON")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in REGISTRY]:
        parser.error(f"no experiment {unknown[0]!r}; there are: {', '.join(REGISTRY)}")
    print(f"seed {options.seed}; {'long' if options.full else 'short'} form\n", flush=True)
    reports = {}
    for number, name in enumerate(options.names or REGISTRY, start=1):
        print(f"  {number:2}/{len(options.names or REGISTRY)} {name} …", end="", flush=True)
        began = time.monotonic()
        reports[name] = run(name, options.seed, options.full, options.keep)
        print(f" {time.monotonic() - began:.0f} s{', FAILED' if reports[name].problems else ''}", flush=True)
    print("\n" + table.render(reports))
    problems = [f"{name}: {problem}" for name, report in reports.items() for problem in report.problems]
    print(*(["", "Broken:", *problems, f"again: make faults SEED={options.seed}"] if problems else []), sep="\n")
    if options.report:
        written = {
            "seed": options.seed,
            "full": options.full,
            "experiments": {n: asdict(r) for n, r in reports.items()},
        }
        options.report.write_text(json.dumps(written, indent=1) + "\n")
    return 1 if problems else 0


def run(name: str, seed: int, full: bool, keep: Path | None) -> Report:
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    try:
        return asyncio.run(REGISTRY[name](Run(folder, random.Random(f"{seed} {name}"), full)))
    finally:
        if keep is not None:
            shutil.copytree(folder, keep / name.replace(" ", "-"), dirs_exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
