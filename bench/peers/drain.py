"""How fast one worker process runs jobs that do nothing: queued beforehand, counted by what the jobs themselves record.

From the first record to the last, so that the worker's start does not count.
"""

import time
from collections.abc import Sequence
from functools import partial

from bench.figures import Figure, Part, in_rounds, ratios
from bench.peers import work
from bench.peers.peer import Peer
from bench.peers.roster import ARQ, HUEY, PROCRASTINATE, SERVICE
from bench.peers.worker import placed, stop

LIMIT_SECONDS = 120
GOALS = {ARQ.name: "≥ 3", HUEY.name: "≥ 1", PROCRASTINATE.name: "≥ 15"}
HOW = (
    "No-op jobs queued beforehand, then one worker process: jobs/s from the first job's record to the last one's.\n"
    "This service with everything on (its API, a tenth of the jobs traced, a JSON log); the others without logging."
)


def drain(rounds: int, peers: Sequence[Peer], scale: float = 1.0) -> Part:
    """`scale`: of the number of jobs."""
    found = in_rounds({peer.name: partial(drained, peer, int(peer.jobs * scale)) for peer in peers}, rounds)
    figures = [Figure(name, "jobs/s", rates) for name, rates in found.items()]
    if SERVICE.name in found:
        figures += [
            Figure(f"{SERVICE.name} / {name}", "times", ratios(found[SERVICE.name], rates), GOALS.get(name, ""))
            for name, rates in found.items()
            if name != SERVICE.name
        ]
    facts = {peer.name: {**peer.facts(), "jobs": int(peer.jobs * scale)} for peer in peers}
    return Part("peers_drain", "Drain beside other job queues", HOW, figures, facts)


def drained(peer: Peer, count: int) -> int:
    """Jobs/s of one drain on a fresh server. Every job must have run, or the rate means nothing."""
    with placed(peer) as place:
        place.call("queue", work.NOOP, count)
        worker = place.start(peer.concurrency)
        try:
            place.wait_for_bytes(work.WIDTH, worker, LIMIT_SECONDS)
            started, before = time.monotonic(), place.recorded_bytes() // work.WIDTH
            place.wait_for_bytes(work.WIDTH * count, worker, LIMIT_SECONDS)
            seconds = time.monotonic() - started
        finally:
            stop(worker)
        ran = work.recorded(place.records)["n"]
    if set(ran) != set(range(count)):
        raise SystemExit(f"{peer.name}: {len(set(ran))} of {count} jobs ran")
    return max(1, round((count - before) / seconds))  # so few that all had run at the first look: no rate
