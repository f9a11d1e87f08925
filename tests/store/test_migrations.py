"""The migrations: from nothing to the newest schema, again without harm, and the same as the tables of the code."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine

import service
from service.domain.job import StorageUnavailable
from service.store import driver
from service.store.migrations import migrate
from service.store.migrations.upgrade import head
from service.store.revision import REVISION
from service.store.tables import metadata


def schema(path: Path) -> dict[str, str]:
    connection = driver.connect(path, "ro")
    try:
        found = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND type IN ('table', 'index')"
        )
        return {name: " ".join(sql.split()) for name, sql in found if name != "alembic_version"}
    finally:
        connection.close()


def test_the_migrated_schema_is_that_of_the_tables(migrated: Path, tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/made.db", module=driver.sqlite3)
    metadata.create_all(engine)
    engine.dispose()
    assert schema(migrated) == schema(tmp_path / "made.db")


def test_the_code_knows_the_newest_revision() -> None:
    assert head() == REVISION


def test_migrating_makes_the_directory_and_may_be_repeated(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "jobs.db"
    migrate(path)
    migrate(path)
    assert {file.name for file in path.parent.iterdir()} == {"jobs.db", "jobs.db.lock"}
    connection = driver.connect(path, "ro")
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert dict(connection.execute("SELECT state, jobs FROM counter")).keys() == {
        "queued", "running", "succeeded", "failed", "cancelled",
    }  # fmt: skip
    connection.close()


def test_a_migration_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    connection = driver.connect(path, "rwc")
    connection.execute("CREATE TABLE counter (x)")  # the first migration's third table
    connection.close()
    with pytest.raises(StorageUnavailable, match="counter"):
        migrate(path)
    assert schema(path).keys() == {"counter"}


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    path.write_text("something else, and long enough to be looked at as a database header")
    with pytest.raises(StorageUnavailable, match="not a database"):
        migrate(path)
    with pytest.raises(StorageUnavailable, match="directory"):
        migrate(path / "jobs.db")


def test_migrations_run_from_a_copied_tree(tmp_path: Path) -> None:
    tree = tmp_path / "100% copied"
    shutil.copytree(Path(service.__file__).parent, tree / "service", ignore=shutil.ignore_patterns("__pycache__"))
    script = "import pathlib, sys; from service.store.migrations import migrate; migrate(pathlib.Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-B", "-c", script, tmp_path / "jobs.db"], cwd=tree, check=True)
    assert "job" in schema(tmp_path / "jobs.db")
