import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from asgi_lifespan import LifespanManager
from fastapi import FastAPI
from pydantic import BaseModel

from service import handlers
from service.app import create_app
from service.domain.job import Job, StorageUnavailable
from service.domain.ports import Context, IdempotencyKey, JobStore, Kind, Receipt, StoreObserver
from service.settings import Settings
from service.store.memory import MemoryJobStore

KEY = {"Authorization": "Bearer dev-key"}
OTHER_KEY = {"Authorization": "Bearer other-key"}


class BreakableStore(MemoryJobStore):
    """Refuses to write while `broken`; remembers what was read."""

    broken = False

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.read: list[Job] = []

    async def get(self, job_id: str, user_id: str) -> Job:
        self.read.append(await super().get(job_id, user_id))
        return self.read[-1]

    async def add(self, job: Job, key: IdempotencyKey | None = None) -> Receipt:
        if self.broken:
            raise StorageUnavailable("disk full")
        return await super().add(job, key)

    async def check(self) -> None:
        if self.broken:
            raise StorageUnavailable("disk full")


class Nothing(BaseModel):
    pass


async def explode(payload: Mapping[str, Any], context: Context) -> Any:
    raise RuntimeError("boom")


@pytest.fixture
def store() -> BreakableStore:
    return BreakableStore(max_queued=50)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    keys = tmp_path / "api_keys"
    keys.write_text(Path("secrets/development/api_keys").read_text() + other_line() + "\n")
    return Settings(api_keys_file=keys, job_concurrency=0, log_format="json", workers=1, _env_file=None)


def other_line() -> str:

    return f"other:other:{hashlib.sha256(b'other-key').hexdigest()}"


@pytest.fixture
def app(settings: Settings, store: BreakableStore) -> FastAPI:
    @asynccontextmanager
    async def open_store(_: StoreObserver) -> AsyncIterator[JobStore]:
        yield store

    kinds = handlers.discover() | {"explode": Kind(name="explode", payload=Nothing, handler=explode)}
    return create_app(settings, open_store=open_store, kinds=kinds)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        LifespanManager(app),
        httpx.AsyncClient(transport=transport, base_url="http://test", headers=KEY) as client,
    ):
        yield client
