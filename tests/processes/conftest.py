import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.processes.otlp import OtlpSink
from tests.processes.running import RunningService

StartService = Callable[..., RunningService]


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
