"""`kill -9`, of workers and of the whole service, at random moments under load."""

import contextlib
import os
import signal

from tests.faults.alone import LEASE_SECONDS, SLOTS, WORKERS, alone, reruns
from tests.faults.experiment import ANSWER_SECONDS, Report, Run, experiment
from tests.faults.ledger import Outcome, now

RATE = 150.0
RERUN_SECONDS = LEASE_SECONDS + 1.0


@experiment("workers killed")
async def workers_killed(run: Run) -> Report:
    kills, between = run.pick(4, 16), run.pick(200, 500)
    deaths: list[tuple[int, float]] = []
    async with alone(run) as service:
        async with service.load(rate=RATE, work_seconds=0.2).running() as load:
            for _ in range(kills):
                await load.acknowledged(run.chance.randint(between // 2, between * 3 // 2))
                victim = run.chance.choice(service.workers())
                deaths.append((victim, now()))
                with contextlib.suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)
            await load.acknowledged(between)
        await service.all_ended()
        verdict = service.judge(duplicates_bound=kills * SLOTS)
        again = reruns(service.ledger.work, deaths)
        report = Report(
            f"{kills} x kill -9 of a worker", verdict, max(again, default=None), "a killed worker's jobs run again"
        )
        report.limit_seconds = RERUN_SECONDS
        report.expect(again, "a job that was in flight at a kill and ran again")
        return report


@experiment("service killed")
async def service_killed(run: Run) -> Report:
    """Supervisor and workers at once, then a new start."""
    kills, between = run.pick(2, 4), run.pick(200, 500)
    answers = []
    async with alone(run) as service:
        async with service.load(rate=RATE, work_seconds=0.2).running() as load:
            for _ in range(kills):
                await load.acknowledged(run.chance.randint(between // 2, between * 3 // 2))
                service.kill()
                answers.append(await service.start())
            await load.acknowledged(between)
        await service.all_ended()
        verdict = service.judge(duplicates_bound=kills * WORKERS * SLOTS)
        report = Report(
            f"{kills} x kill -9 of supervisor and workers", verdict, max(answers), "the service answers after its start"
        )
        report.limit_seconds = ANSWER_SECONDS
        report.expect(load.count(Outcome.UNKNOWN), "a submission whose outcome its client did not know")
        return report
