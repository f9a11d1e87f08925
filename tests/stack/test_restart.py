"""The service's container recreated under load: `docker compose up --force-recreate service` while clients submit.

Marked `restart`, as it disturbs the stack that runs here; .ci/run includes it.
"""

import asyncio
import ssl
import subprocess
from collections import Counter

import httpx
import pytest

from tests.stack.compose import ROOT
from tests.stack.running import Stack

RATE = 100  # submissions a second
SECONDS = 25.0
RECREATE_AFTER_SECONDS = 3.0
PATIENCE_SECONDS = 60.0  # of a client; longer than the proxy holds a request

pytestmark = pytest.mark.restart


async def test_no_submission_fails_while_the_service_is_recreated(stack: Stack) -> None:
    outcomes: Counter[str] = Counter()
    waits: list[float] = []
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE  # the development authority, on loopback
    loop = asyncio.get_running_loop()
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
    async with httpx.AsyncClient(
        base_url=stack.host,
        headers={"Authorization": f"Bearer {stack.key}"},
        verify=trust,
        timeout=PATIENCE_SECONDS,
        limits=limits,
    ) as client:

        async def submit() -> None:
            started = loop.time()
            try:
                answer = await client.post("/jobs", json={"kind": "sleep", "payload": {"seconds": 1}})
                outcomes[str(answer.status_code)] += 1
            except httpx.HTTPError as error:
                outcomes[repr(error)] += 1
            waits.append(loop.time() - started)

        async with asyncio.TaskGroup() as tasks:
            recreated = None
            begun = loop.time()
            for number in range(int(RATE * SECONDS)):
                # An open model: what is slow lowers no rate.
                await asyncio.sleep(max(0.0, begun + number / RATE - loop.time()))
                tasks.create_task(submit())
                if recreated is None and loop.time() - begun > RECREATE_AFTER_SECONDS:
                    recreated = tasks.create_task(asyncio.to_thread(recreate))
    print(f"{dict(outcomes)}, longest wait {max(waits):.1f} s")
    assert outcomes == {"202": int(RATE * SECONDS)}


def recreate() -> None:
    subprocess.run(
        ["docker", "compose", "up", "--detach", "--no-deps", "--force-recreate", "--wait", "service"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
