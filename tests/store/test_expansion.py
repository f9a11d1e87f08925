"""Migrations expand: each leaves the version before it working, or says that it does not.

During an upgrade both versions work on the database at the newer schema (docs/upgrades.md).
"""

import itertools
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from service.domain.job import StorageUnavailable
from service.store import driver, revision
from service.store.migrations import migrate, upgrade
from tests.store.contraction import Schema, contractions, schema_of

FOLLOWING = Path(__file__).parent / "following" / "0003_following.py"

COUNTER = """
    op.execute("DROP TABLE counter")
    op.execute("CREATE TABLE counter (state TEXT NOT NULL PRIMARY KEY, {}) STRICT, WITHOUT ROWID")"""

BAD = {
    "drops a column": 'op.drop_column("job", "traceparent")',
    "renames a column": 'op.alter_column("attempt", "error", new_column_name="problem")',
    "drops a table": 'op.drop_table("attempt")',
    "drops an index that the code names": 'op.drop_index("job_ended")',
    "changes an index": 'op.drop_index("job_of_user"); op.create_index("job_of_user", "job", ["user_id", "state"])',
    "drops a trigger": 'op.execute("DROP TRIGGER job_counted_in")',
    "makes an old column unique": 'op.create_index("one_a_user", "job", ["user_id"], unique=True)',
    "makes a new column with a default unique": """op.execute("ALTER TABLE job ADD COLUMN once TEXT DEFAULT 'x'")
    op.create_index("once", "job", ["once"], unique=True)""",
    "demands a value": COUNTER.format("jobs INTEGER NOT NULL, since REAL NOT NULL"),
    "changes a type": COUNTER.format("jobs TEXT NOT NULL"),
    "lets a value be missing": COUNTER.format("jobs INTEGER"),
    "checks what was not checked": COUNTER.format("jobs INTEGER NOT NULL CHECK (jobs >= 0)"),
    "ties what was free": COUNTER.format("jobs INTEGER NOT NULL REFERENCES job (seq)"),
}


def migrations(folder: Path, *more: Path, body: str = "") -> Path:
    """A copy of the service's, and more; `body`: of a 0003."""
    shutil.copytree(upgrade.FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for each in more:
        shutil.copy(each, folder / "versions")
    if body:
        text = f'from alembic import op\n\nrevision = "0003"\ndown_revision = "0002"\n{body}\n'
        (folder / "versions" / "0003_made.py").write_text(text)
    return folder


def steps(database: Path, folder: Path) -> list[tuple[str, Schema]]:
    """Each revision of the folder, the oldest first, and the schema that it leaves."""
    connection = driver.connect(database, "rwc")
    found = []
    for each in sorted(path.name.partition("_")[0] for path in folder.glob("versions/*_*.py")):
        upgrade.to(connection, each, folder)
        assert revision.found(connection) == each
        found.append((each, schema_of(connection)))
    connection.close()
    return found


def undeclared(walk: Sequence[tuple[str, Schema]]) -> list[str]:
    problems = []
    for (earlier, before), (later, after) in itertools.pairwise(walk):
        if after.oldest == before.oldest:
            problems += [f"{later}: {each}" for each in contractions(before, after)]
        elif not before.oldest < after.oldest <= earlier:
            # Raised to its own revision, the version that serves during the upgrade could not work on.
            problems.append(f"{later}: the oldest revision goes from {before.oldest} to {after.oldest}")
    return problems


def test_each_migration_leaves_the_version_before_it_working(tmp_path: Path) -> None:
    walk = steps(tmp_path / "jobs.db", upgrade.FOLDER)
    assert [each for each, _ in walk] == revision.known()
    assert undeclared(walk) == []


def test_columns_indexes_and_tables_may_be_added(tmp_path: Path) -> None:
    walk = steps(tmp_path / "jobs.db", migrations(tmp_path / "migrations", FOLLOWING))
    assert [each for each, _ in walk] == ["0001", "0002", "0003"]
    assert undeclared(walk) == []


@pytest.mark.parametrize("what", BAD)
def test_a_migration_is_found_out_that(tmp_path: Path, what: str) -> None:
    folder = migrations(tmp_path / "migrations", body=f"def upgrade():\n    {BAD[what]}")
    problems = undeclared(steps(tmp_path / "jobs.db", folder))
    assert problems
    assert all(each.startswith("0003: ") for each in problems)


def test_a_contraction_that_is_declared_is_fine_if_the_version_before_can_bear_it(tmp_path: Path) -> None:
    for oldest, expected in (("0002", []), ("0003", ["0003: the oldest revision goes from 0000 to 0003"])):
        body = f'oldest = "{oldest}"\ndef upgrade():\n    {BAD["drops a column"]}'
        folder = migrations(tmp_path / f"migrations-{oldest}", body=body)
        assert undeclared(steps(tmp_path / f"{oldest}.db", folder)) == expected


def test_an_older_version_leaves_a_newer_schema_as_it_is(tmp_path: Path) -> None:
    database = tmp_path / "jobs.db"
    *_, (_, newest) = steps(database, migrations(tmp_path / "migrations", FOLLOWING))
    migrate(database)
    connection = driver.connect(database, "ro")
    assert (revision.found(connection), revision.refusal(connection)) == ("0003", None)
    assert schema_of(connection) == newest
    connection.close()


def test_an_older_version_refuses_a_schema_that_was_contracted_beyond_it(tmp_path: Path) -> None:
    database = tmp_path / "jobs.db"
    body = f'oldest = "0003"\ndef upgrade():\n    {BAD["drops a column"]}'
    steps(database, migrations(tmp_path / "migrations", body=body))
    with pytest.raises(StorageUnavailable) as refused:
        migrate(database)
    assert str(refused.value) == (
        "database is at schema revision 0003, which needs a version with 0003; this one has 0002"
    )


def test_what_leaves_the_version_that_serves_no_schema_to_work_on_is_found_out_before(tmp_path: Path) -> None:
    body = f'oldest = "0002"\ndef upgrade():\n    {BAD["drops a column"]}'
    folder = migrations(tmp_path / "migrations", body=body)
    assert [upgrade.oldest_after(found, folder) for found in ("0001", "0002", "0003")] == ["0002", "0002", ""]
