"""A handler that blocks the event loop of its process for ever."""

from tests.faults.alone import LEASE_SECONDS, SLOTS, alone, reruns
from tests.faults.experiment import Report, Run, experiment

STALL_SECONDS = 2


@experiment("loop blocked")
async def loop_blocked(run: Run) -> Report:
    poisons, attempts, ids = run.pick(1, 4), 2, set[str | None]()
    async with alone(run, loop_stall_seconds=STALL_SECONDS) as service:
        async with service.load(rate=60, work_seconds=0.2).running() as load:
            await load.acknowledged(100)
            for number in range(poisons):
                ids.add((await load.post(f"poison-{number}", kind="block", max_attempts=attempts)).job_id)
                await load.acknowledged(60 * (STALL_SECONDS + LEASE_SECONDS + 2))
        await service.all_ended()
        verdict = service.judge(duplicates_bound=poisons * attempts * SLOTS)
        stalls = service.service.lines("event_loop_stalled")
        blocked = [(each.pid, each.at) for each in service.ledger.work if each.job_id in ids]
        again = reruns([each for each in service.ledger.work if each.job_id not in ids], blocked)
        report = Report(
            f"{poisons} job(s) that never let the loop go on, {attempts} attempts each; limit {STALL_SECONDS} s",
            verdict,
            max(again, default=None),
            "from the block to the next run of its siblings",
        )
        report.expect(len(stalls) == poisons * attempts, f"a process ended for each attempt (there were {len(stalls)})")
        report.expect(len(service.workers()) == 4, "four workers at the end")
        return report
