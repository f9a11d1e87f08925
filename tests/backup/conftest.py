"""A database with jobs, and backups of it in a folder beside it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backup.making import Place
from tests.processes.running import RunningService


@pytest.fixture
def place(tmp_path: Path, migrated: Path) -> Iterator[Place]:
    """Its database is empty. A service that a test starts there is gone after it."""
    shutil.copy(migrated, tmp_path / "jobs.db")
    place = Place(tmp_path)
    yield place
    for running in place.services:
        running.close()


@pytest.fixture
def service(place: Place) -> RunningService:
    """A real one, with one worker process, on the database of `place`."""
    return place.serve()
