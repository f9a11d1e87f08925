"""A handler that blocks the event loop of its process for ever."""

from tests.faults.alone import LEASE_SECONDS, SLOTS, alone
from tests.faults.experiment import Report, Run, experiment

STALL_SECONDS = 2


@experiment("loop blocked")
async def loop_blocked(run: Run) -> Report:
    poisons, attempts = run.pick(1, 4), 2
    async with alone(run, loop_stall_seconds=STALL_SECONDS) as service:
        async with service.load(rate=60, work_seconds=0.2).running() as load:
            await load.acknowledged(100)
            for number in range(poisons):
                await load.post(f"poison-{number}", kind="block", max_attempts=attempts)
                await load.acknowledged(60 * (STALL_SECONDS + LEASE_SECONDS + 2))
        await service.all_ended()
        verdict = service.judge(duplicates_bound=poisons * attempts * SLOTS)
        stalls = service.service.lines("event_loop_stalled")
        pids = {line["pid"] for line in stalls}
        ended = {pid: last for pid in pids if (last := _last_beat(service.service.lines(pid=pid)))}
        report = Report(f"{poisons} job(s) that never let the loop go on, {attempts} attempts each", verdict)
        report.expect(len(stalls) == poisons * attempts, f"a process ended for each attempt (there were {len(stalls)})")
        report.expect(len(service.workers()) == 4, "four workers at the end")
        report.expect(ended, "lines of the processes that ended")
        return report


def _last_beat(lines: list[dict[str, object]]) -> object:
    return lines[-1]["timestamp"] if lines else None
