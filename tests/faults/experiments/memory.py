"""A handler that takes memory until the kernel ends its process."""

from tests.faults.alone import SLOTS, WORKERS, alone
from tests.faults.experiment import Report, Run, experiment


@experiment("memory limit", container=("--memory", "900m", "--memory-swap", "900m"))
async def memory_limit(run: Run) -> Report:
    hogs, attempts = run.pick(1, 4), 2
    async with alone(run) as service:
        async with service.load(rate=60, work_seconds=0.2).running() as load:
            await load.acknowledged(100)
            for number in range(hogs):
                call = await load.post(f"hog-{number}", kind="hog", max_attempts=attempts)
                await service.ended(str(call.job_id))
            await load.acknowledged(100)
        await service.all_ended()
        verdict = service.judge(duplicates_bound=hogs * attempts * SLOTS)
        ended = len(service.service.worker_pids()) - WORKERS
        report = Report(f"{hogs} job(s) that take all memory, {attempts} attempts each", verdict)
        report.expect(ended >= hogs * attempts, f"a process ended for each attempt (there were {ended})")
        return report
