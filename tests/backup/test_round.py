"""Real backups of a real database, while others write to it."""

import contextlib
import gzip
import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from service.backup import archive, making
from service.backup.archive import PARTIAL, name_of
from service.backup.stop import Stop
from tests.backup.making import Place, ids, rows, unpacked
from tests.store.making import NOW
from tests.store.processes import child


def test_a_backup_holds_every_job_acknowledged_before_it_and_none_half_while_others_write(place: Place) -> None:
    with child("add", place.database, 4000) as one, child("add_and_work", place.database, 2000, "worker") as other:
        assert [one.line(), other.line()] == ["open", "open"]
        acknowledged = [one.line() for _ in range(200)]
        backup = place.backup()
        acknowledged_later = list(iter(one.line, ""))
        assert list(iter(other.line, ""))
    contents = unpacked(backup)
    copied = ids(contents)
    assert set(acknowledged) <= set(copied)
    assert len(copied) < len(ids(place.database)) == 6000, "they wrote on, and lost nothing by it"
    assert len({*acknowledged, *acknowledged_later}) == 4000
    assert copied == ids(place.database)[: len(copied)], "one moment: no job is there without all that were before it"
    assert rows(contents, "PRAGMA integrity_check") == [("ok",)]
    assert rows(contents, "PRAGMA foreign_key_check") == []
    counters = dict(rows(contents, "SELECT state, jobs FROM counter WHERE jobs <> 0"))
    assert counters == dict(rows(contents, "SELECT state, count(*) FROM job GROUP BY state"))
    ended = rows(contents, "SELECT count(*) FROM job WHERE state = 'succeeded'")
    assert ended == rows(contents, "SELECT count(*) FROM attempt"), "a job and its attempt are there together"


def test_a_backup_works_while_the_service_runs_and_while_it_does_not(place: Place) -> None:
    service = place.serve()
    submitted = [service.submit()["id"] for _ in range(5)]
    assert ids(unpacked(place.backup(clock=lambda: NOW))) == submitted
    service.stop()
    assert ids(unpacked(place.backup(clock=lambda: NOW + 1))) == submitted


def test_only_verified_backups_have_a_name_and_nothing_else_stays(place: Place) -> None:
    place.add(10)
    backup = place.backup(clock=lambda: NOW)
    assert place.files() == {backup.name} == {name_of(NOW)}
    assert place.telemetry.registry.get_sample_value("backup_last_size_bytes") == backup.stat().st_size
    assert place.round(clock=lambda: NOW).run() is None, "the same second: the first one is not overwritten"
    assert place.files() == {backup.name}


def test_old_backups_are_rotated_away(place: Place) -> None:
    for hour in range(5):
        place.backup(clock=lambda hour=hour: NOW + 3600 * hour, backup_keep_newest=2, backup_keep_days=0)
    assert place.files() == {name_of(NOW + 3600 * hour) for hour in (3, 4)}


def test_leftovers_of_a_killed_process_are_removed(place: Place) -> None:
    left = place.backups / f"{PARTIAL}killed"
    left.mkdir(parents=True)
    (left / "copy.db").write_bytes(b"half")
    assert place.files() == {left.name}
    assert place.files() - {left.name} | {place.backup().name} == place.files()


def test_a_backup_does_not_fill_the_disk(place: Place) -> None:
    place.add(10)
    needed = 2 * sum(file.stat().st_size for file in place.folder.glob("jobs.db*") if file.suffix != ".lock")
    short = needed + making.RESERVE_BYTES - 1
    assert place.round(free=lambda _: short).run() is None
    assert place.failures("space") == 1
    assert place.files() == set()
    assert place.round(free=lambda _: short + 1).run() is not None


def test_a_damaged_database_gives_no_backup(place: Place) -> None:
    place.add(500)
    damage(place.database)
    assert place.round().run() is None
    assert place.failures("copy") + place.failures("verify") == 1
    assert place.files() == set()


def test_a_database_whose_rows_are_not_those_it_counted_gives_no_backup(place: Place) -> None:
    place.add(5)
    execute(place.database, "UPDATE counter SET jobs = 6 WHERE state = 'queued'")
    assert place.round().run() is None
    assert place.failures("copy") == 1


def test_a_missing_database_is_a_failure_and_is_not_made(place: Place) -> None:
    place.database.unlink()
    assert place.round().run() is None
    assert place.failures("copy") == 1
    assert not place.database.exists()


def test_an_archive_that_was_damaged_on_the_disk_is_not_published(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk returns something else than was written: what is verified is the finished file."""
    place.add(50)
    compress = archive.compress

    def compress_badly(source: Path, target: Path, stop: Stop) -> None:
        compress(source, target, stop)
        flip(target, target.stat().st_size // 2)

    monkeypatch.setattr(archive, "compress", compress_badly)
    assert place.round().run() is None
    assert place.failures("verify") == 1
    assert place.files() == set()


def test_a_copy_that_lacks_jobs_is_not_published(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is whole and consistent, but not what was copied."""
    place.add(5)
    older = place.folder / "older.db"
    shutil.copy(place.database, older)
    place.add(5)
    compress = archive.compress
    monkeypatch.setattr(archive, "compress", lambda source, target, stop: compress(older, target, stop))
    assert place.round().run() is None
    assert place.failures("verify") == 1


def test_the_folder_cannot_be_written_to(place: Place) -> None:
    place.backups.write_text("a file, not a folder")
    assert place.round().run() is None
    assert place.failures("copy") == 1


def test_a_backup_is_smaller_than_the_database_and_plain_gzip(place: Place) -> None:
    place.add(1000)
    backup = place.backup()
    assert backup.stat().st_size < place.database.stat().st_size / 2
    assert backup.stat().st_mode & 0o777 == 0o600, "payloads are nobody else's business"
    with gzip.open(backup) as source:
        assert source.read(16) == b"SQLite format 3\0"


def damage(database: Path) -> None:
    """A page in the middle, as a dying disk would."""
    with database.open("r+b") as file:
        file.seek(database.stat().st_size // 4096 // 2 * 4096)
        file.write(os.urandom(4096))


def flip(file: Path, offset: int) -> None:
    with file.open("r+b") as opened:
        opened.seek(offset)
        byte = opened.read(1)[0]
        opened.seek(offset)
        opened.write(bytes([byte ^ 0xFF]))


def execute(database: Path, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute(statement)
