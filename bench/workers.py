"""How many uvicorn workers this machine wants: POST /jobs with 1, 2 and 4, in interleaved rounds, telemetry on.

python -m bench.workers [ROUNDS]        needs wrk; aims at this machine only
"""

import sys
from functools import partial

from bench.figures import Figure, Part, in_rounds, ratios
from bench.running import measure, service

SECONDS = 5


def workers(rounds: int) -> Part:
    targets = [service(f"{count} worker(s)", workers=count) for count in (1, 2, 4)]
    found = in_rounds({target.name: partial(measure, target, SECONDS) for target in targets}, rounds)
    rates = {name: [load.rate for load in loads] for name, loads in found.items()}
    one = rates[targets[0].name]
    figures = [Figure(f"{name}, to one", "times", ratios(values, one)) for name, values in rates.items()]
    figures += [Figure(f"{name}, p99", "ms", [load.p99_ms for load in loads]) for name, loads in found.items()]
    return Part("workers", "Workers", f"POST /jobs, {SECONDS} s a run, all traced.", figures, {})


if __name__ == "__main__":
    print(workers(int(sys.argv[1]) if len(sys.argv) > 1 else 5).table())
