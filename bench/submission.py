"""How fast a job becomes durable over HTTP: this service and its store beside the same FastAPI POST that inserts
nothing, and beside a SQLAlchemy transaction per request. 4 workers, 32 connections, interleaved rounds.

    python -m bench.submission [ROUNDS] [SECONDS]        needs wrk; aims at this machine only
"""

import sys
from functools import partial

from bench.figures import Figure, Part, in_rounds, ratios
from bench.running import CONNECTIONS, UVICORN, Target, measure, service

NOTHING = "bare POST, inserts nothing"
SESSION = "bare POST, SQLAlchemy, a transaction each"
STORE = "bare POST, this service's store"
OFF = "this service, telemetry off"
TENTH = "this service, 10 % traced"
ALL = "this service, all traced"
DATABASE = {"BASELINE_DATABASE": "{folder}/baseline.db"}
TARGETS = [
    Target(NOTHING, [*UVICORN, "bench.baselines:nothing"]),
    service(OFF, log_level="WARNING", trace_sample_ratio=0),
    service(TENTH, trace_sample_ratio=0.1),
    service(ALL),
    Target(STORE, [*UVICORN, "bench.baselines:group_commit"], DATABASE),
    Target(SESSION, [*UVICORN, "bench.baselines:session_per_request"], DATABASE),
]
GOALS = {(OFF, NOTHING): "≥ 0.40", (TENTH, NOTHING): "≥ 0.28", (STORE, SESSION): "≥ 6"}


def submission(rounds: int, seconds: float) -> Part:
    found = in_rounds({target.name: partial(measure, target, seconds) for target in TARGETS}, rounds)
    rates = {name: [load.rate for load in loads] for name, loads in found.items()}
    figures = [Figure(name, "1/s", values) for name, values in rates.items()]
    figures += [Figure(f"{name}, p99", "ms", [load.p99_ms for load in loads]) for name, loads in found.items()]
    figures += [
        Figure(f"{name} / {other}", "times", ratios(rates[name], rates[other]), GOALS.get((name, other), ""))
        for other in (NOTHING, SESSION)
        for name in (STORE, OFF, TENTH, ALL)
    ]
    how = f"POST /jobs, 4 workers, {CONNECTIONS} connections, {seconds:g} s a run; the load generator shares the cores."
    shares = {name: [round(load.load_share, 3) for load in loads] for name, loads in found.items()}
    return Part("submission", "Submission over HTTP", how, figures, {"load generator's share of the cores": shares})


if __name__ == "__main__":
    arguments = [*sys.argv[1:], *("5", "5")[len(sys.argv) - 1 :]]
    print(submission(int(arguments[0]), float(arguments[1])).table())
