"""The checker finds what it is there for: a doctored ledger or database for each promise."""

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.store.migrations import migrate
from tests.faults import checker
from tests.faults.checker import Verdict
from tests.faults.ledger import Call, Ledger, Outcome, Work, read_work

JOBS = ("a", "b")
JOB: dict[str, Any] = {
    "kind": "ledger", "user_id": "dev", "created_at": 1, "run_at": 1, "runnable_at": 1, "state": "succeeded",
    "priority": 0, "attempt": 1, "max_attempts": 5, "timeout_seconds": 60, "started_at": 2, "finished_at": 3,
    "cancel_requested": 0, "version": 3, "lease_expired": 0, "due": 0, "payload": "{}",
}  # fmt: skip


def call(key: str | None, started: float, job_id: str | None, version: int = 1, **fields: Any) -> Call:
    values: dict[str, Any] = {"outcome": Outcome.ACKNOWLEDGED, "ended": started + 0.1, "detail": "202"}
    return Call(key=key, started=started, job_id=job_id, version=version, **(values | fields))


@pytest.fixture
def ledger() -> Ledger:
    """Two jobs, submitted, run once each, and read afterwards."""
    submitted = [call(f"key-{job}", number, job) for number, job in enumerate(JOBS)]
    read = [call(None, 10 + number, job, version=3) for number, job in enumerate(JOBS)]
    work = [
        Work(event=event, job_id=job, attempt=1, owner="1-x", at=at)
        for job in JOBS
        for event, at in (("start", 2.0), ("finish", 3.0))
    ]
    return Ledger(submitted + read, work)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "jobs.db"
    migrate(path)
    with sqlite3.connect(path) as connection:
        for number, job in enumerate(JOBS, start=1):
            columns = {"seq": number, "id": job, "idempotency_key": f"key-{job}"} | JOB
            names, marks = ", ".join(columns), ", ".join("?" * len(columns))
            connection.execute(f"INSERT INTO job ({names}) VALUES ({marks})", tuple(columns.values()))  # noqa: S608
            connection.execute("INSERT INTO attempt VALUES (?, 3, 1, 2, 3, 'succeeded', NULL, NULL)", (number,))
    return path


def verdict(ledger: Ledger, database: Path, bound: int = 0) -> Verdict:
    return checker.judge(ledger, checker.read(database), duplicates_bound=bound)


def test_nothing_is_found_where_nothing_is_wrong(ledger: Ledger, database: Path) -> None:
    assert verdict(ledger, database) == Verdict(acknowledged=2, refused=0, unknown=0, lost=0, duplicated=0)


SQL: dict[str, tuple[str, str]] = {
    "an acknowledged job that is gone": ("DELETE FROM job WHERE id = 'a'", "acknowledged job a is not there"),
    "one that did not end": ("UPDATE job SET state = 'running', finished_at = NULL WHERE id = 'a'", "a is running"),
    "an end without an attempt": ("DELETE FROM attempt WHERE job_seq = 1", "without an attempt"),
    "a second accepted end": ("INSERT INTO attempt VALUES (1, 5, 2, 3, 4, 'succeeded', NULL, NULL)", "went on after"),
    "work that nobody did": ("UPDATE attempt SET number = 2 WHERE job_seq = 1", "which no handler finished"),
    "leases that overlap": (
        "UPDATE attempt SET outcome = 'lease_expired', finished_at = 2.6 WHERE job_seq = 1;"
        "INSERT INTO attempt VALUES (1, 5, 1, 2.5, 3, 'succeeded', NULL, NULL)",
        "started before attempt 1 ended",
    ),
    "an end that the job does not show": ("UPDATE job SET state = 'failed' WHERE id = 'a'", "succeeded and is failed"),
    "a key that nobody sent": ("UPDATE job SET idempotency_key = 'x' WHERE id = 'a'", "nobody sent key x"),
    "an attempt of no job": (
        "PRAGMA foreign_keys = OFF; INSERT INTO attempt VALUES (9, 1, 1, 1, 1, 'failed', NULL, NULL)",
        "foreign_key_check",
    ),
}


@pytest.mark.parametrize("what", SQL)
def test_the_database_gives_away(ledger: Ledger, database: Path, what: str) -> None:
    statements, said = SQL[what]
    with sqlite3.connect(database) as connection:
        connection.executescript(statements)
    assert any(said in violation for violation in verdict(ledger, database).violations)


def test_a_page_that_was_overwritten_is_found(ledger: Ledger, database: Path) -> None:
    with sqlite3.connect(database) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'job_ended'").fetchone()
        size = connection.execute("PRAGMA page_size").fetchone()[0]
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with database.open("r+b") as file:
        file.seek((page - 1) * size + size - 8)
        file.write(b"\xff" * 8)
    assert any("integrity_check" in violation for violation in verdict(ledger, database).violations)


CHANGES: dict[str, tuple[Callable[[Ledger], object], str]] = {
    "one key with two jobs": (lambda ledger: ledger.calls.append(call("key-a", 5, "b")), "key key-a got jobs"),
    "an older state after a newer one": (
        lambda ledger: ledger.calls.append(call(None, 20, "a", version=2)),
        "version 2 was answered after version 3",
    ),
    "more executions than were in flight": (
        lambda ledger: ledger.work.append(replace(ledger.work[0], attempt=2, at=2.5)),
        "1 executions beyond the first",
    ),
    "a 500": (lambda ledger: ledger.calls.append(call("key-c", 5, None, detail="500")), "a 500 to key-c"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_the_ledger_gives_away(ledger: Ledger, database: Path, what: str) -> None:
    change, said = CHANGES[what]
    change(ledger)
    assert any(said in violation for violation in verdict(ledger, database).violations)


def test_executions_in_flight_at_a_kill_may_repeat_and_are_counted(ledger: Ledger, database: Path) -> None:
    ledger.work.append(replace(ledger.work[0], attempt=2, at=2.5))
    found = verdict(ledger, database, bound=1)
    assert (found.violations, found.duplicated) == ((), 1)


def test_reads_that_overlap_may_show_either_state(ledger: Ledger, database: Path) -> None:
    ledger.calls.append(call(None, 10.05, "a", version=2))
    assert verdict(ledger, database).violations == ()


def test_what_a_kill_cut_off_does_not_count(tmp_path: Path) -> None:
    whole = '{"event": "start", "job_id": "a", "attempt": 1, "owner": "1-x", "at": 1.0}\n'
    (tmp_path / "work-1-x.jsonl").write_text(whole + whole[:20])
    assert read_work(tmp_path) == [Work(event="start", job_id="a", attempt=1, owner="1-x", at=1.0)]
