"""How many uvicorn workers this machine wants: POST /jobs with 1, 2 and 4, in interleaved rounds, telemetry on.

python -m bench.workers [ROUNDS]        needs wrk; aims at this machine only
"""

import statistics
import sys

from bench.running import interleaved, ratios, service, spread

SECONDS = 5
TARGETS = [service(f"{count} worker(s)", workers=count) for count in (1, 2, 4)]


def main(rounds: int) -> None:
    found = interleaved(TARGETS, rounds, SECONDS)
    print("\nrequests/s, ratio to one worker: median of the rounds (least, greatest)")
    for target in TARGETS:
        p99 = statistics.median(load.p99_ms for load in found[target.name])
        print(f"  {target.name}: {spread(ratios(found, target.name, TARGETS[0].name))}   p99 {p99:.1f} ms")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
