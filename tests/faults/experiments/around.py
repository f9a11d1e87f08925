"""What stands around the service: telemetry that is away, and clients that only take room."""

import asyncio
import contextlib
import ssl

from slo.document import read
from tests.faults.experiment import Report, Run, experiment
from tests.faults.ledger import Call, Outcome
from tests.faults.stack import Stack, stack

RATE = 50.0
IDLE, SLOW = 500, 200
HANDSHAKES_AT_ONCE = 20
DRIP_SECONDS = 1.0
ALIVE = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
HEAD = (
    b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer dev-key\r\n"
    b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
)


@experiment("telemetry away")
async def telemetry_away(run: Run) -> Report:
    away = ["jaeger", "prometheus", "alertmanager"]
    run.chance.shuffle(away)
    async with stack(run) as found:
        async with found.load(rate=RATE).running() as load:
            await load.acknowledged(100)
            begun = len(found.ledger.calls)
            for service in away:
                await found.compose("kill", service)
                await load.acknowledged(run.pick(100, 1000))
            ended = len(found.ledger.calls)
            await found.compose("start", *away)
            await load.acknowledged(50)
        await found.all_ended()
        verdict = await found.judge(duplicates_bound=0)
        report = Report(f"{', '.join(away)} killed one after another", verdict)
        _within(report, found.ledger.calls[begun:ended])
        report.expect(verdict.unknown == verdict.refused == 0, "every request answered")
        return report


@experiment("slow clients")
async def slow_clients(run: Run) -> Report:
    async with stack(run) as found, contextlib.AsyncExitStack() as others:
        idle = [others.enter_context(contextlib.closing(writer)) for _, writer in await _connected(found, IDLE)]
        slow = [others.enter_context(contextlib.closing(writer)) for _, writer in await _connected(found, SLOW)]
        dripping = asyncio.create_task(_drip(slow))
        async with found.load(rate=RATE).running() as load:
            await load.acknowledged(50)
            begun = len(found.ledger.calls)
            await load.acknowledged(run.pick(400, 3000))
            ended = len(found.ledger.calls)
        still = sum(not writer.is_closing() for writer in idle)
        dripping.cancel()
        await asyncio.wait([dripping])
        await found.all_ended()
        verdict = await found.judge(duplicates_bound=0)
        report = Report(f"{IDLE} idle connections and {SLOW} that send a byte a second", verdict)
        _within(report, found.ledger.calls[begun:ended])
        report.expect(verdict.unknown == verdict.refused == 0, "every request of the others answered")
        report.expect(len(idle) == IDLE and still, "idle connections that were there all the time")
        return report


def _within(report: Report, calls: list[Call]) -> None:
    """Adds what share of the submissions the objective's threshold held, and judges it by the objective."""
    (objective,) = (each for each in read().objectives if each.name == "submission-latency")
    threshold = read().threshold("job_submit_seconds")
    seconds = sorted(call.ended - call.started for call in calls if call.key and call.outcome is Outcome.ACKNOWLEDGED)
    share = sum(each <= threshold for each in seconds) / len(seconds)
    p99 = seconds[int(len(seconds) * 0.99)]
    report.injected += (
        f"; {share:.1%} of {len(seconds)} others within {threshold * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms"
    )
    report.expect(share >= objective.ratio, f"the objective of {objective.ratio:.0%} (it was {share:.2%})")


async def _connected(found: Stack, number: int) -> list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE  # the development authority, on loopback
    at_once = asyncio.Semaphore(HANDSHAKES_AT_ONCE)

    async def one() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with at_once:
            reader, writer = await asyncio.open_connection("localhost", found.port, ssl=trust)
            writer.write(ALIVE)  # one that sends nothing at all is closed after ten seconds
            await reader.readuntil(b"\r\n\r\n")
            return reader, writer

    return await asyncio.gather(*(one() for _ in range(number)))


async def _drip(writers: list[asyncio.StreamWriter]) -> None:
    """A request whose body comes a byte at a time."""
    for writer in writers:
        writer.write(HEAD)
    while True:
        await asyncio.sleep(DRIP_SECONDS)
        for writer in writers:
            if not writer.is_closing():
                writer.write(b" ")
