"""What the tests of several folders need."""

from pathlib import Path

import pytest

from service.store.migrations import migrate


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database at the newest schema, to copy: migrating anew costs half a second each time."""
    path = tmp_path_factory.mktemp("migrated") / "jobs.db"
    migrate(path)
    return path
