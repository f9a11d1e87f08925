"""The wall clock steps by an hour, forwards and back."""

from typing import Any

from tests.faults.alone import LONG_LEASE, alone
from tests.faults.experiment import Report, Run, experiment
from tests.faults.experiments.disk import place

FAKETIME: dict[str, Any] = {
    "LD_PRELOAD": "/usr/local/lib/clock.so",
    "FAKETIME_NO_CACHE": "1",
    "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # nobody can step that one
}


@experiment("clock steps", container=())
async def clock_steps(run: Run) -> Report:
    clock = run.folder / "clock"
    place(clock, "+0\n")
    async with alone(run, **FAKETIME, **LONG_LEASE, FAKETIME_TIMESTAMP_FILE=str(clock)) as service:
        async with service.load(rate=80, work_seconds=0.5).running() as load:
            hours = [run.chance.choice((-1, 1)) for _ in range(run.pick(3, 12))]
            for hour in (1, 0, -1, 0, *hours):
                await load.acknowledged(100)
                place(clock, f"{hour * 3600:+d}\n")
            await load.acknowledged(100)
        await service.all_ended()
        stamps = [line["timestamp"] for line in service.service.lines("request_finished")]
        verdict = service.judge(duplicates_bound=0, clock_steps=True)
        report = Report(f"{4 + len(hours)} steps of one or two hours", verdict)
        hours_seen = {stamp[:13] for stamp in stamps}
        report.expect(len(hours_seen) >= 3, f"log lines of three hours (of {sorted(hours_seen)})")
        return report
