import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from service.store.migrations import migrate
from tests.processes.otlp import OtlpSink
from tests.processes.running import RunningService

StartService = Callable[..., RunningService]


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database at the newest schema, to copy: migrating anew costs each service a second."""
    path = tmp_path_factory.mktemp("migrated") / "jobs.db"
    migrate(path)
    return path


@pytest.fixture
def start_service(tmp_path: Path, migrated: Path) -> Iterator[StartService]:
    """Starts services with their files in one folder; all are gone after the test."""
    started: list[RunningService] = []
    shutil.copy(migrated, tmp_path / "jobs.db")

    def start(**settings: Any) -> RunningService:
        started.append(RunningService(tmp_path, **settings))
        return started[-1].start()

    yield start
    for service in started:
        service.close()


@pytest.fixture
def otlp_sink() -> Iterator[OtlpSink]:
    with OtlpSink() as sink:
        yield sink
