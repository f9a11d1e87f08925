"""CPU time of one `POST /jobs` through the whole application, in one process, without a server, over a store that
stores nothing: what the application itself costs, and what its telemetry adds. Interleaved rounds.

    python -m bench.request [ROUNDS] 2>&1 >/dev/null        the log goes to stdout, as ever; the figures to stderr
"""

import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from asgi_lifespan import LifespanManager
from fastapi import FastAPI

from service.app import create_app
from service.domain.job import Job
from service.domain.ports import IdempotencyKey, JobStore, Receipt, StoreObserver
from service.settings import Settings
from service.store.memory import MemoryJobStore

BODY = b'{"kind": "sleep", "payload": {"seconds": 0}, "run_at": "2099-01-01T00:00:00Z"}'
HEADERS = [
    (b"host", b"localhost"),
    (b"user-agent", b"bench"),
    (b"authorization", b"Bearer dev-key"),
    (b"content-type", b"application/json"),
    (b"content-length", str(len(BODY)).encode()),
]
REQUESTS = 600
LEVELS: dict[str, dict[str, Any]] = {
    "telemetry off": {"log_level": "WARNING", "trace_sample_ratio": 0.0},
    "10 % traced": {"trace_sample_ratio": 0.1},
    "all traced": {"trace_sample_ratio": 1.0},
}


class Nowhere(MemoryJobStore):
    async def add(self, job: Job, key: IdempotencyKey | None = None) -> Receipt:
        return Receipt(batch_size=1, waited_seconds=0.0)


def application(**settings: Any) -> FastAPI:
    @asynccontextmanager
    async def open_store(_: StoreObserver) -> AsyncIterator[JobStore]:
        yield Nowhere()

    given = Settings(job_concurrency=0, log_format="json", workers=1, _env_file=None, **settings)
    return create_app(given, open_store=open_store)


async def post(app: FastAPI) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": BODY, "more_body": False}

    async def send(_: Any) -> None: ...

    scope = {
        **{"type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "scheme": "http"},
        **{"method": "POST", "path": "/jobs", "raw_path": b"/jobs", "query_string": b"", "root_path": ""},
        **{"headers": HEADERS, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8000), "state": {}},
    }
    await app(scope, receive, send)


async def main(rounds: int) -> None:
    found: dict[str, list[float]] = {name: [] for name in LEVELS}
    for _ in range(rounds):
        for name, settings in LEVELS.items():
            app = application(**settings)  # anew, as the log's level is one for the process
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(LifespanManager(app))
                for _ in range(REQUESTS // 3):
                    await post(app)
                started = time.process_time()
                for _ in range(REQUESTS):
                    await post(app)
                found[name].append((time.process_time() - started) / REQUESTS * 1e6)
    for name, costs in found.items():
        line = f"{name:<14} {statistics.median(costs):>5.0f} µs a request ({min(costs):.0f}, {max(costs):.0f})"
        print(line, file=sys.stderr)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5))
