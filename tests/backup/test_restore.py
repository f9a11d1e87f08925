"""The way back: `python -m service restore`, on real files, with and without a real service."""

import gzip
import shutil
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import StaticPool, create_engine

from service.backup.archive import name_of
from service.store import driver, revision
from service.store.lock import WriteLock
from service.store.migrations import upgrade
from tests.backup.making import Place, ids, rows, unpacked
from tests.processes.running import RunningService
from tests.store.making import NOW
from tests.waiting import wait_until


def said(found: "subprocess.CompletedProcess[bytes]") -> str:
    assert b"Traceback" not in found.stderr
    return (found.stdout + found.stderr).decode()


def beside(place: Place) -> set[str]:
    return {path.name for path in place.folder.iterdir() if not path.name.endswith((".log", ".lock"))} - {"backups"}


def test_a_live_database_is_not_overwritten(place: Place, service: RunningService) -> None:
    job = service.submit()["id"]
    backup = place.backup()
    later = service.submit()["id"]
    before = place.database.stat().st_ino
    refused = place.run("restore", str(backup))
    assert refused.returncode == 1
    assert "is in use" in said(refused)
    assert "docker compose stop service" in said(refused)
    assert place.database.stat().st_ino == before
    assert service.job(job)["id"] == job
    assert service.job(later)["id"] == later
    assert service.stop() == 0
    assert place.run("restore", str(backup)).returncode == 0


def test_a_database_that_another_program_reads_is_live_too(place: Place) -> None:
    """Any that keeps it open, such as the command `sqlite3`: SQLite's own locks say so."""
    place.add(1)
    backup = place.backup()
    with closing(sqlite3.connect(place.database)) as reader:
        reader.execute("SELECT count(*) FROM job").fetchone()
        assert "is in use" in said(place.run("restore", str(backup)))
    assert place.run("restore", str(backup)).returncode == 0


def test_after_a_restore_the_service_goes_on_from_the_moment_of_the_backup(place: Place) -> None:
    service = place.serve()
    ended = service.submit(payload={"seconds": 0})["id"]
    service.wait_for_state(ended, "succeeded")
    waiting = service.submit(run_at="2100-01-01T00:00:00Z")["id"]
    running = service.submit(payload={"seconds": 60}, timeout_seconds=90)["id"]
    service.wait_for_state(running, "running")
    backup = place.backup()
    lost = service.submit()["id"]
    service.signal(signal.SIGKILL)  # the machine is gone, the job was running
    service.close()
    for file in place.folder.glob("jobs.db*"):
        file.unlink()
    assert "what stood there before" not in said(place.run("restore", str(backup)))
    service = place.serve(lease_seconds=1)
    assert service.job(ended)["state"] == "succeeded"
    assert service.job(ended)["attempts"]
    assert service.job(waiting)["state"] == "queued"
    assert service.ask("GET", f"/jobs/{lost}").status == 404
    assert service.stored()[running][1] in {1, 2}, "it runs again once its lease is over"
    again = service.submit(payload={"seconds": 0})["id"]
    service.wait_for_state(again, "succeeded")


def test_jobs_that_ran_at_the_backup_run_again(place: Place) -> None:
    service = place.serve(lease_seconds=1)
    running = service.submit(payload={"seconds": 1})["id"]
    service.wait_for_state(running, "running")
    backup = place.backup()
    assert service.stop() == 0
    assert place.run("restore", str(backup)).returncode == 0
    assert place.serve(lease_seconds=1).wait_for_state(running, "succeeded")["attempt"] == 2


def test_what_stood_there_is_kept_whole_with_what_its_log_held(place: Place) -> None:
    place.add(3)
    backup = place.backup()
    later = place.add(2)
    with WriteLock(place.database) as lock, lock.held():  # leave the last rows in the log alone, as after a crash
        writer = driver.connect(place.database, "rw")
        writer.execute("UPDATE job SET priority = 7")
        left = place.folder / "left"
        left.mkdir()
        for file in place.folder.glob("jobs.db*"):
            shutil.copy(file, left)
        writer.close()
    for file in left.iterdir():
        shutil.copy(file, place.folder)
    assert (place.folder / "jobs.db-wal").stat().st_size > 0
    (place.folder / "jobs.db-shm").unlink()
    assert place.run("restore", str(backup)).returncode == 0
    (aside,) = place.folder.glob("jobs.db.replaced-*")
    assert beside(place) == {"jobs.db", aside.name, "left"}
    assert len(ids(place.database)) == 3
    assert set(ids(aside)[3:]) == {job.id for job in later}
    assert rows(aside, "SELECT DISTINCT priority FROM job") == [(7,)]


def test_a_database_that_is_none_any_more_is_kept_too(place: Place) -> None:
    place.add(3)
    backup = place.backup()
    place.database.write_bytes(b"not a database " * 500)
    (place.folder / "jobs.db-wal").write_bytes(b"its log")
    assert place.run("restore", str(backup)).returncode == 0
    (aside,) = place.folder.glob("jobs.db.replaced-*Z")
    assert aside.read_bytes().startswith(b"not a database")
    assert Path(f"{aside}-wal").read_bytes() == b"its log"
    assert len(ids(place.database)) == 3


def test_the_log_of_a_database_that_is_gone_is_not_replayed_into_the_restored_one(place: Place) -> None:
    place.add(3)
    backup = place.backup()
    place.database.rename(place.folder / "gone.db")
    (place.folder / "jobs.db-wal").write_bytes(b"commits of the old one")
    (place.folder / "jobs.db-shm").write_bytes(b"its index")
    assert place.run("restore", str(backup)).returncode == 0
    assert not (place.folder / "jobs.db-shm").exists()
    assert [path.read_bytes() for path in place.folder.glob("*.replaced-*-wal")] == [b"commits of the old one"]
    assert len(ids(place.database)) == 3


def test_a_restore_where_nothing_is(place: Place) -> None:
    place.add(2)
    backup = place.backup()
    elsewhere = place.folder / "new" / "place" / "jobs.db"
    done = place.run("restore", str(backup), database_url=f"sqlite:///{elsewhere}")
    assert done.returncode == 0, said(done)
    assert f"restored {backup.name}: 2 jobs, 0 attempts" in said(done)
    assert {path.name for path in elsewhere.parent.iterdir()} == {"jobs.db", "jobs.db.lock"}
    assert ids(elsewhere) == ids(place.database)


def test_a_running_service_whose_database_vanished_finds_the_restored_one(
    place: Place, service: RunningService
) -> None:
    job = service.submit()["id"]
    service.wait_for_state(job, "succeeded")
    backup = place.backup()
    for file in place.folder.glob("jobs.db*"):
        if file.suffix != ".lock":
            file.unlink()
    assert place.run("restore", str(backup)).returncode == 0
    assert service.ask_again("GET", f"/jobs/{job}").status in {200, 503}

    def found() -> bool:
        return service.ask("GET", f"/jobs/{job}").status == 200 and service.ready()

    wait_until(found, "the service serves the restored database")
    assert service.submit()["id"] in set(ids(place.database))


def test_an_older_schema_is_brought_up_to_date(place: Place) -> None:
    old = place.folder / "old.db"
    connection = driver.connect(old, "rwc")
    engine = create_engine("sqlite://", module=driver.sqlite3, creator=lambda: connection, poolclass=StaticPool)
    with engine.connect() as session:
        config = upgrade._config()
        config.attributes["connection"] = session
        command.upgrade(config, "0001")
        session.commit()
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()
    backup = place.folder / name_of(NOW)
    with old.open("rb") as source, gzip.open(backup, "wb") as target:
        shutil.copyfileobj(source, target)
    place.database.unlink()
    done = place.run("restore", str(backup))
    assert done.returncode == 0, said(done)
    assert "from revision 0001" in said(done)
    assert rows(place.database, "SELECT version_num FROM alembic_version") == [(revision.REVISION,)]
    service = place.serve()
    assert service.submit()["state"] == "queued"


def test_a_newer_schema_that_this_version_cannot_work_on_is_refused(place: Place) -> None:
    plain = unpacked(place.backup())
    with closing(sqlite3.connect(plain, isolation_level=None)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.execute("PRAGMA user_version = 9999")
    backup = place.folder / "newer.gz"
    with plain.open("rb") as source, gzip.open(backup, "wb") as target:
        shutil.copyfileobj(source, target)
    refused = place.run("restore", str(backup))
    assert refused.returncode == 1
    assert "9999" in said(refused)


@pytest.mark.parametrize("kept", [0, 10, 500, -1, -8])
def test_a_truncated_backup_is_refused(place: Place, kept: int) -> None:
    whole = _many(place)
    _refused(place, whole[:kept])


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.7, 0.95])
def test_a_backup_with_one_wrong_byte_is_refused(place: Place, share: float) -> None:
    whole = bytearray(_many(place))
    whole[int(len(whole) * share)] ^= 0x55
    _refused(place, bytes(whole))


def test_whole_gzip_of_something_else_is_refused(place: Place) -> None:
    _many(place)
    _refused(place, gzip.compress(b"no database at all" * 1000))
    _refused(place, gzip.compress(b""))
    other = place.folder / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE x (y)")
    _refused(place, gzip.compress(other.read_bytes()))


def test_a_backup_is_found_by_path_by_name_as_the_newest_and_on_stdin(place: Place) -> None:
    place.add(1)
    first = place.backup(clock=lambda: NOW)
    place.add(1)
    second = place.backup(clock=lambda: NOW + 1)
    for number, (arguments, stdin, jobs) in enumerate(
        [((str(first),), b"", 1), ((first.name,), b"", 1), (("newest",), b"", 2), (("-",), second.read_bytes(), 2)]
    ):
        url = f"sqlite:///{place.folder}/{number}.db"
        assert place.run("restore", *arguments, stdin=stdin, database_url=url).returncode == 0
        assert len(ids(place.folder / f"{number}.db")) == jobs


def test_without_a_file_the_backups_are_listed(place: Place) -> None:
    assert "(none)" in said(place.run("restore", "newest"))
    backup = place.backup()
    for arguments in ((), ("jobs-20200101T000000Z.db.gz",)):
        listed = place.run("restore", *arguments)
        assert listed.returncode == 1
        assert backup.name in said(listed)
    refused = place.run("restore", "newest", "--remote")
    assert "SERVICE_BACKUP_REMOTE is empty" in said(refused)


def _many(place: Place) -> bytes:
    place.add(200)
    return place.backup().read_bytes()


def _refused(place: Place, content: bytes) -> None:
    before = ids(place.database)
    found = place.run("restore", "-", stdin=content)
    assert found.returncode == 1
    assert "This cannot be restored" in said(found)
    assert "Traceback" not in said(found)
    assert ids(place.database) == before
    assert not list(place.folder.glob("*.replaced-*"))
    assert not list(place.folder.glob(".restore-*"))
