"""A container of Alertmanager for a module: each test says anew which alerts fire."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.alertmanager.running import Alertmanager, alertmanager


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alertmanager]:
    folder: Path = tmp_path_factory.mktemp("alertmanager")
    folder.chmod(0o755)
    with alertmanager(folder) as running:
        yield running
