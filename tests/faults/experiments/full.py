"""A disk that is full, seen from behind Caddy: writes are refused, reads go on, and nobody restarts anything."""

import json

import httpx

from tests.faults.experiment import Report, Run, experiment
from tests.faults.ledger import Outcome, now
from tests.faults.stack import Stack, stack
from tests.waiting import wait_until_async

FILL = """
with open("/data/filler", "wb", buffering=0) as file:
    for size in (2**20, 4096, 512, 1):  # to the last byte
        try:
            while True:
                file.write(bytes(size))
        except OSError:
            pass
"""
FREE = 'import os; os.remove("/data/filler")'
READINESS = """
import urllib.error, urllib.request
try:
    print(urllib.request.urlopen("http://127.0.0.1:8000/readyz").read().decode())
except urllib.error.HTTPError as answer:
    print(answer.read().decode())
"""
ALERT = "DiskAlmostFull"


@experiment("disk full")
async def disk_full(run: Run) -> Report:
    times, recovery, said = run.pick(1, 5), [], set()
    async with stack(run, "tests/faults/small.yaml") as found:
        async with found.load(rate=50).running() as load:
            for _ in range(times):
                await load.acknowledged(run.chance.randint(50, 150))
                await found.python(FILL)
                refused = load.count(Outcome.REFUSED)
                await wait_until_async(load.refused_more_than(refused + 50), "submissions are refused")
                said.add(json.loads(await found.python(READINESS))["checks"]["database"])
                read = await load.get(next(iter(found.ledger.acknowledged())))
                await found.python(FREE)
                freed = now()
                await load.acknowledged(50)
                recovery.append(max(0.0, _last_refusal(found) - freed))
            await load.acknowledged(100)
        await found.all_ended()
        verdict = await found.judge(duplicates_bound=0)
        what = f"{times} x the file system filled to the last byte and freed"
        report = Report(what, verdict, max(recovery), "from space to the last 503")
        report.expect(said == {"disk full"}, f"readiness that says why (it says {said})")
        report.expect(read.outcome is Outcome.ACKNOWLEDGED, "a read that is answered meanwhile")
        report.expect(verdict.unknown == 0, "an answer of the service itself to everything, 202 or 503")
        report.expect(await _alerts(found), f"the alert {ALERT}, pending or firing")
        report.expect(await found.restarts() == 0, "the same processes throughout")
        return report


def _last_refusal(found: Stack) -> float:
    return max(call.started for call in found.ledger.submissions if call.outcome is Outcome.REFUSED)


async def _alerts(found: Stack) -> bool:
    """Whether Prometheus has the alert by now: its disk has less than the alert wants all the time."""
    async with httpx.AsyncClient(base_url=f"http://localhost:{found.prometheus_port}", trust_env=False) as client:

        async def has() -> bool:
            alerts = (await client.get("/api/v1/alerts")).json()["data"]["alerts"]
            return any(each["labels"]["alertname"] == ALERT for each in alerts)

        return await wait_until_async(has, f"Prometheus has {ALERT}")
