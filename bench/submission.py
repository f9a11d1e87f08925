"""How fast a job becomes durable over HTTP: this service beside the same FastAPI POST that inserts nothing, and beside
a SQLAlchemy transaction per request. 4 workers, 32 connections, interleaved rounds.

    make bench [ROUNDS=5] [SECONDS=5]        needs wrk; aims at this machine only
"""

import statistics
import sys

from bench.running import Target, interleaved, ratios, service, spread

UVICORN = (
    *(sys.executable, "-m", "uvicorn", "--factory", "--workers", "4", "--port", "{port}"),
    *("--no-access-log", "--log-level", "warning"),
)
NOTHING = "inserts nothing"
SESSION = "SQLAlchemy, a transaction each"
TARGETS = [
    Target(NOTHING, [*UVICORN, "bench.baselines:nothing"]),
    service("this service, telemetry off", log_level="WARNING", trace_sample_ratio=0),
    service("this service, 10 % traced", trace_sample_ratio=0.1),
    service("this service, all traced"),
    Target(SESSION, [*UVICORN, "bench.baselines:session_per_request"], {"BASELINE_DATABASE": "{folder}/baseline.db"}),
]


def main(rounds: int, seconds: float) -> None:
    found = interleaved(TARGETS, rounds, seconds)
    print(f"\n{'median of the rounds':<32} {'1/s':>8} {'p99 ms':>8}   ratio to “{NOTHING}”   ratio to “{SESSION}”")
    for target in TARGETS:
        rate = statistics.median(load.rate for load in found[target.name])
        p99 = statistics.median(load.p99_ms for load in found[target.name])
        to_nothing, to_session = (spread(ratios(found, target.name, other)) for other in (NOTHING, SESSION))
        print(f"{target.name:<32} {rate:>8,.0f} {p99:>8.1f}   {to_nothing:<26} {to_session}")


if __name__ == "__main__":
    arguments = [*sys.argv[1:], *("5", "5")[len(sys.argv) - 1 :]]
    main(int(arguments[0]), float(arguments[1]))
