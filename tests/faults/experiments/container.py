"""The service's container dies: its main process is killed, and Docker starts it again by its restart policy."""

import datetime
import time

from tests.faults.experiment import ANSWER_SECONDS, Report, Run, experiment
from tests.faults.ledger import Outcome, now
from tests.faults.stack import SLOTS, WORKERS, Stack, stack
from tests.waiting import wait_until_async

# Everything in the container goes with it, as nothing can be alive beside a container's init.
KILL_SUPERVISOR = """
import os, pathlib
for folder in pathlib.Path("/proc").glob("[0-9]*"):
    if (folder / "stat").read_text().rpartition(")")[2].split()[1] == "1" and folder.name != str(os.getpid()):
        os.kill(int(folder.name), 9)
"""


@experiment("container killed")
async def container_killed(run: Run) -> Report:
    kills, answers = run.pick(1, 5), []
    async with stack(run) as found:
        async with found.load(rate=50, work_seconds=0.2).running() as load:
            for _ in range(kills):
                await load.acknowledged(run.chance.randint(50, 150))
                before = await _started(found)
                await found.python(KILL_SUPERVISOR, expect_failure=True)
                await wait_until_async(lambda before=before: _later(found, before), "the container runs again")  # type: ignore[misc]
                started = await _started(found)
                await load.acknowledged(100)
                answers.append(_first_answer(found, started) - started)
            await load.acknowledged(50)
        await found.all_ended()
        verdict = await found.judge(duplicates_bound=kills * WORKERS * SLOTS)
        report = Report(f"{kills} x kill -9 of the container's main process", verdict, max(answers))
        report.recovery, report.limit_seconds = "clients get answers after the container's start", ANSWER_SECONDS
        return report


async def _started(found: Stack) -> float:
    """When the container was started last; on the monotonic clock."""
    at = (await found.docker("inspect", "--format", "{{.State.StartedAt}}", found.service)).strip()
    return datetime.datetime.fromisoformat(at[:26].rstrip("Z") + "+00:00").timestamp() - time.time() + now()


async def _later(found: Stack, before: float) -> bool:
    return await _started(found) > before + 0.1


def _first_answer(found: Stack, since: float) -> float:
    calls = (call for call in found.ledger.submissions if call.outcome is Outcome.ACKNOWLEDGED)
    return min(call.ended for call in calls if call.ended > since)
