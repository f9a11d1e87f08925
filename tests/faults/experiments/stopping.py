"""SIGTERM under load, once and twice: what runs ends or is given back, and the exit is clean."""

import asyncio
import signal

from tests.faults.alone import LONG_LEASE, alone
from tests.faults.experiment import ANSWER_SECONDS, Report, Run, experiment
from tests.faults.ledger import now

RATE = 100.0


@experiment("SIGTERM")
async def sigterm(run: Run) -> Report:
    times = run.pick(2, 8)
    codes, seconds = [], []
    async with alone(run, **LONG_LEASE) as service:
        async with service.load(rate=RATE).running() as load:
            for _ in range(times):
                await load.acknowledged(run.chance.randint(100, 200))
                service.service.signal(signal.SIGTERM)
                codes.append(await asyncio.to_thread(service.service.wait))
                seconds.append(await service.start())
            await load.acknowledged(100)
        await service.all_ended()
        verdict = service.judge(duplicates_bound=0)
        report = Report(
            f"{times} x SIGTERM and a new start", verdict, max(seconds), "the service answers after its start"
        )
        report.limit_seconds = ANSWER_SECONDS
        report.expect(set(codes) == {0}, f"exit code 0 (they are {codes})")
        return report


@experiment("SIGTERM twice")
async def sigterm_twice(run: Run) -> Report:
    """Jobs that outlast the drain time, and an operator who does not wait for it: they are released."""
    async with alone(run, drain_seconds=30) as service:
        async with service.load(rate=20, work_seconds=4).running() as load:
            await load.acknowledged(30)
            stopped = now()
            service.service.signal(signal.SIGTERM)
            await load.acknowledged(30)  # HTTP goes on meanwhile; a second signal counts after a second
            service.service.signal(signal.SIGTERM)
            code = await asyncio.to_thread(service.service.wait)
            took = now() - stopped
            await service.start()
            await load.acknowledged(10)
        await service.all_ended()
        released = service.service.lines("job_released")
        verdict = service.judge(duplicates_bound=len(released))
        report = Report(
            "SIGTERM, and again before the jobs have ended", verdict, took, "from the first signal to the exit"
        )
        report.expect(code == 0, f"exit code 0 (it is {code})")
        report.expect(released, "a job that was released")
        report.expect(took < 15, f"an exit long before the drain time of 30 s (it took {took:.1f} s)")
        return report
