"""Clients under an open model: submissions at a steady rate, each with its own key, and reads of what was acknowledged.

What a client cannot know it asks again with the same key, as a real one does: that may find the job or make it, and
must never make a second one.
"""

import asyncio
import contextlib
import random
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import httpx

from tests.faults.ledger import Call, Ledger, Outcome, now

DEVELOPMENT_KEY = {"Authorization": "Bearer dev-key"}
BY_THE_PROXY = "Answered by the proxy."  # Caddy's problem document: the service may have stored the job or not
PATIENCE_SECONDS = 40.0  # of a client with one call
RETRY_SECONDS = 0.2
CONNECTIONS = 64


class Load:
    """`work_seconds`: how long a job's handler takes."""

    def __init__(
        self,
        url: str,
        ledger: Ledger,
        chance: random.Random,
        *,
        rate: float,
        work_seconds: float = 0.05,
        prefix: str = "",
        client_headers: Mapping[str, str] = DEVELOPMENT_KEY,
    ) -> None:
        self.ledger = ledger
        self.rate = rate
        self._chance = chance
        self._work_seconds = work_seconds
        self._prefix = prefix
        self._counted: Counter[Outcome] = Counter()
        self._enough = asyncio.Event()
        trust = ssl.create_default_context()
        trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE  # the development authority, on loopback
        # Few connections are kept: a new one may reach any worker.
        limits = httpx.Limits(max_connections=CONNECTIONS * 8, max_keepalive_connections=CONNECTIONS // 8)
        self._client = httpx.AsyncClient(
            base_url=url,
            headers=dict(client_headers),
            timeout=PATIENCE_SECONDS,
            verify=trust,
            limits=limits,
            trust_env=False,
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Load"]:
        """Submits until the block is left; then everything unknown has been asked again until it is known."""
        async with asyncio.TaskGroup() as calls:
            pacer = calls.create_task(self._pace(calls))
            try:
                yield self
            finally:
                self._enough.set()
                await pacer
        await self._resolve()
        await self._client.aclose()

    async def acknowledged(self, more: int) -> None:
        """Returns once so many more submissions are acknowledged than now."""
        target = self.count(Outcome.ACKNOWLEDGED) + more
        while self.count(Outcome.ACKNOWLEDGED) < target:  # noqa: ASYNC110  the calls have no event for this
            await asyncio.sleep(0.01)

    def count(self, outcome: Outcome) -> int:
        """Of submissions."""
        return self._counted[outcome]

    def refused_more_than(self, number: int) -> Callable[[], Awaitable[bool]]:
        async def found() -> bool:
            return self.count(Outcome.REFUSED) > number

        return found

    async def post(self, key: str, **submission: Any) -> Call:
        body = {"kind": "ledger", "payload": {"seconds": self._work_seconds}} | submission
        return await self._call("POST", "/jobs", key, json=body, headers={"Idempotency-Key": key})

    async def get(self, job_id: str) -> Call:
        return await self._call("GET", f"/jobs/{job_id}", None)

    async def _pace(self, calls: asyncio.TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number in range(10**9):
            delay = began + number / self.rate - loop.time()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, delay)):
                    await self._enough.wait()
            if self._enough.is_set():
                return
            calls.create_task(self._submit_and_read(f"{self._prefix}{number}"))

    async def _submit_and_read(self, key: str) -> None:
        call = await self.post(key)
        known = [call] if call.job_id else []
        if len(self.ledger.calls) > 10:
            known += [each for each in self._chance.sample(self.ledger.calls[-200:], 1) if each.job_id]
        for each in known:
            await self.get(str(each.job_id))

    async def _call(self, method: str, path: str, key: str | None, **arguments: Any) -> Call:
        started = now()
        outcome, detail, job_id, version = Outcome.UNKNOWN, "", None, 0
        try:
            answer = await self._client.request(method, path, **arguments)
        except httpx.HTTPError as error:
            detail = type(error).__name__
        else:
            detail = str(answer.status_code)
            if answer.is_success:
                body = answer.json()
                outcome, job_id, version = Outcome.ACKNOWLEDGED, body["id"], body["version"]
            elif BY_THE_PROXY not in answer.text:
                outcome = Outcome.REFUSED
        call = Call(
            key=key, started=started, ended=now(), outcome=outcome, detail=detail, job_id=job_id, version=version
        )
        self.ledger.calls.append(call)
        if key is not None:
            self._counted[outcome] += 1
        return call

    async def _resolve(self) -> None:
        known = {call.key for call in self.ledger.submissions if call.outcome is Outcome.ACKNOWLEDGED}
        for key in sorted(
            {call.key for call in self.ledger.submissions if call.outcome is Outcome.UNKNOWN} - known, key=str
        ):
            while (await self.post(str(key))).outcome is not Outcome.ACKNOWLEDGED:  # noqa: ASYNC110
                await asyncio.sleep(RETRY_SECONDS)
