"""`SIGSTOP` for longer than a lease, then `SIGCONT`: the worker comes back with work that is no longer its own."""

import fcntl
import os
import signal

from tests.faults.alone import LEASE_SECONDS, SLOTS, Alone, alone, reruns
from tests.faults.experiment import Report, Run, experiment
from tests.faults.ledger import now
from tests.processes.running import is_stopped
from tests.waiting import wait_until

RATE = 60.0
WORK_SECONDS = 0.5


@experiment("worker frozen")
async def worker_frozen(run: Run) -> Report:
    times = run.pick(2, 8)
    frozen: list[tuple[int, float]] = []
    longest = 0.0
    async with alone(run) as service:
        async with service.load(rate=RATE, work_seconds=WORK_SECONDS).running() as load:
            for _ in range(times):
                await load.acknowledged(run.chance.randint(60, 120))
                victim = run.chance.choice(service.workers())
                freeze(service, victim)
                frozen.append((victim, began := now()))
                # Longer than its leases, in acknowledgements of its siblings: their jobs go on and its own run again.
                await load.acknowledged(int(RATE * (LEASE_SECONDS + 1.5)))
                os.kill(victim, signal.SIGCONT)
                longest = max(longest, now() - began)
            await load.acknowledged(100)
        await service.all_ended()
        verdict = service.judge(duplicates_bound=times * SLOTS)
        refused = service.service.lines("job_finish_fenced")
        again = reruns(service.ledger.work, frozen)
        report = Report(
            f"{times} x SIGSTOP for up to {longest:.1f} s, a lease being {LEASE_SECONDS} s, then SIGCONT",
            verdict,
            max(again, default=None),
            "a frozen worker's jobs run again",
            LEASE_SECONDS + 1.0,
        )
        report.expect(verdict.duplicated, "a job of the frozen worker that ran again elsewhere")
        report.expect(refused, "a late finish that was refused (job_finish_fenced)")
        return report


def freeze(service: Alone, pid: int) -> None:
    """At a moment when it does not hold the write lock: with it, it would stop the writers of all processes (which is
    another experiment: they answer 503)."""
    lock = service.database.with_name(service.database.name + ".lock")
    while True:
        os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: is_stopped(pid), "the worker stands still")
        if _is_free(lock):
            return
        os.kill(pid, signal.SIGCONT)


def _is_free(lock: os.PathLike[str]) -> bool:
    """Within the time that its siblings hold it."""
    with open(lock, "rb") as file:  # noqa: PTH123
        for _ in range(100):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            return True
    return False
