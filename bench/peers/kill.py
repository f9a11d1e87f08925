"""What becomes of the jobs when their worker is killed with -9 and started again at once, each system by its defaults.

All systems at the same time: their jobs sleep, and the systems mostly wait.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from threading import Event

from bench.figures import Figure, Part
from bench.peers import work
from bench.peers.peer import Peer
from bench.peers.roster import SERVICE
from bench.peers.worker import Place, kill, placed, stop

JOBS = 12
TOGETHER = 4  # so many are running when the worker is killed; the others wait in the queue or in the worker
START_SECONDS = 60
LONGEST_SECONDS = 400  # arq needs 310
HOW = (
    f"{JOBS} jobs of {work.NAP_SECONDS:g} s, {TOGETHER} at a time. Once {TOGETHER} had started the worker and all its\n"
    "children were killed with -9, and the worker was started again at once. Watched for {:g} s. Defaults throughout."
)


@dataclass(frozen=True)
class Outcome:
    done: int
    lost: int  # not done, and neither queued nor in progress any more: it will not run
    held: int  # not done, and the system still says queued or in progress
    started_twice: int
    done_twice: int
    rerun_after_seconds: float | None  # from the kill to the first start of a job that had been started before
    all_done_after_seconds: float | None


def killed(limit_seconds: float, peers: Sequence[Peer]) -> Part:
    given_up = Event()
    with ThreadPoolExecutor(len(peers)) as threads:
        try:
            watch = partial(outlived, limit_seconds=limit_seconds, given_up=given_up)
            outcomes = list(threads.map(watch, peers))
        except BaseException:
            given_up.set()  # one has failed, or Ctrl-C: the others must not watch to their end
            raise
    figures = []
    for peer, found in zip(peers, outcomes, strict=True):
        goals = (f"≥ {JOBS}", "≤ 0") if peer == SERVICE else ("", "")
        figures.append(Figure(f"{peer.name}, done", f"of {JOBS}", [found.done], goals[0]))
        figures.append(Figure(f"{peer.name}, lost", "jobs", [found.lost], goals[1]))
        figures.append(Figure(f"{peer.name}, still held", "jobs", [found.held]))
        if found.rerun_after_seconds is not None:
            figures.append(Figure(f"{peer.name}, first rerun", "s", [found.rerun_after_seconds]))
        if found.all_done_after_seconds is not None:
            figures.append(Figure(f"{peer.name}, all done", "s", [found.all_done_after_seconds]))
    facts = {
        peer.name: {**peer.facts(), "concurrency": TOGETHER, **asdict(found)}
        for peer, found in zip(peers, outcomes, strict=True)
    }
    return Part("peers_kill", "A worker killed with -9", HOW.format(limit_seconds), figures, facts)


def outlived(peer: Peer, limit_seconds: float, given_up: Event) -> Outcome:
    with placed(peer) as place:
        place.call("queue", work.NAP, JOBS)
        worker = place.start(TOGETHER)
        try:
            place.wait_for_bytes(TOGETHER * work.WIDTH, worker, START_SECONDS)
            kill(worker)
            before = work.recorded(place.records)
            if before["d"]:
                raise SystemExit(f"{peer.name}: a job ended before the kill; the machine is too busy for this")
            print(f"  {peer.name}: killed with {len(before['s'])} jobs running", flush=True)
            worker = place.start(TOGETHER)
            found = _watched(place, before["s"], limit_seconds, given_up)
        finally:
            stop(worker)
    print(f"  {peer.name}: {found}", flush=True)
    return found


def _watched(place: Place, running: Sequence[int], limit_seconds: float, given_up: Event) -> Outcome:
    """From the kill on; `running` were running then."""
    killed_at = time.monotonic()
    rerun_after = all_done_after = None
    while all_done_after is None and (after := time.monotonic() - killed_at) < limit_seconds:
        now = work.recorded(place.records)
        if rerun_after is None and set(running) & set(now["s"][len(running) :]):
            rerun_after = round(after, 2)
        if len(set(now["d"])) == JOBS:
            all_done_after = round(after, 2)
        if given_up.wait(0.02):
            raise SystemExit(f"{place.peer.name}: given up")
    known, now = int(place.call("known")), work.recorded(place.records)
    missing = JOBS - len(set(now["d"]))
    held = min(known, missing)
    return Outcome(
        done=JOBS - missing,
        lost=missing - held,
        held=held,
        started_twice=_twice(now["s"]),
        done_twice=_twice(now["d"]),
        rerun_after_seconds=rerun_after,
        all_done_after_seconds=all_done_after,
    )


def _twice(numbers: Sequence[int]) -> int:
    """How many jobs are there more than once."""
    return sum(numbers.count(number) > 1 for number in set(numbers))
