"""How fast a job is taken over HTTP: the same FastAPI POST in front of each system, and this service's own.

4 uvicorn workers and wrk on the same machine; no worker runs the jobs.
"""

from collections.abc import Sequence
from functools import partial

from bench.figures import Figure, Part, in_rounds, ratios
from bench.peers.peer import Peer
from bench.peers.roster import ARQ_ALWAYS, QUEUE, SERVICE
from bench.peers.worker import Place, placed
from bench.running import CONNECTIONS, UVICORN, Load, Target, measure, service

SWEEP = (1, 4, 16, 32, 64)
GOALS = {(QUEUE.name, ARQ_ALWAYS.name): "≥ 1"}
HOW = (
    "POST /jobs with a checked body, 202 once the system's own call has returned; 4 uvicorn workers, wrk, {}.\n"
    "“This service” is all of it (keys, limits, logs, metrics, a tenth traced), “this service's queue” what the\n"
    "others are: the queue behind a bare POST. See what each has on disk by then."
)


def submission(rounds: int, seconds: float, peers: Sequence[Peer]) -> Part:
    peers = _with_queue(peers)
    found = in_rounds({peer.name: partial(submitted, peer, seconds) for peer in peers}, rounds)
    figures = [figure for name, loads in found.items() for figure in _figures(name, loads)]
    rates = {name: [load.rate for load in loads] for name, loads in found.items()}
    for own in {SERVICE.name, QUEUE.name} & set(rates):
        figures += [
            Figure(f"{own} / {name}", "times", ratios(rates[own], other), GOALS.get((own, name), ""))
            for name, other in rates.items()
            if name not in (SERVICE.name, QUEUE.name)
        ]
    facts = {
        peer.name: {**peer.facts(), "load_share": [load.load_share for load in found[peer.name]]} for peer in peers
    }
    how = HOW.format(f"{CONNECTIONS} connections")
    return Part("peers_submission", "Submission beside other job queues", how, figures, facts)


def sweep(rounds: int, seconds: float, peers: Sequence[Peer]) -> Part:
    """Throughput against latency: the same with more and more connections."""
    peers = _with_queue(peers)
    subjects = {
        f"{peer.name}, {connections} connections": partial(submitted, peer, seconds, connections)
        for connections in SWEEP
        for peer in peers
    }
    found = in_rounds(subjects, rounds)
    figures = [figure for name, loads in found.items() for figure in _figures(name, loads)]
    shares = {name: [load.load_share for load in loads] for name, loads in found.items()}
    facts = {**{peer.name: peer.facts() for peer in peers}, "connections": SWEEP, "load_share": shares}
    how = HOW.format("1 to 64 connections")
    return Part("peers_sweep", "Submission: throughput against latency", how, figures, facts)


def _with_queue(peers: Sequence[Peer]) -> list[Peer]:
    return [QUEUE, *peers] if SERVICE in peers else list(peers)


def submitted(peer: Peer, seconds: float, connections: int = CONNECTIONS) -> Load:
    with placed(peer) as place:
        return measure(_target(place), seconds, connections)


def _target(place: Place) -> Target:
    if place.peer != SERVICE:
        return Target(place.peer.name, [*UVICORN, f"bench.peers.{place.peer.module}:app"], place.environment)
    target = service(place.peer.name, trace_sample_ratio=0.1)
    return Target(target.name, target.command, {**place.environment, **target.environment})


def _figures(name: str, loads: Sequence[Load]) -> list[Figure]:
    return [
        Figure(name, "1/s", [load.rate for load in loads]),
        Figure(f"{name}, p50", "ms", [load.p50_ms for load in loads]),
        Figure(f"{name}, p99", "ms", [load.p99_ms for load in loads]),
    ]
