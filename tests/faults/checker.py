"""What must be true after an experiment, whatever broke in it: the promises, held against ledger and database.

The database is read as a file, with plain SQL and no code of the service.
"""

import contextlib
import itertools
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.ledger import Call, Ledger, Outcome

TERMINAL = frozenset({"succeeded", "failed", "cancelled"})
CLOCK_SLACK_SECONDS = 0.001  # times are stored as floats of wall time, by several processes


@dataclass(frozen=True, slots=True)
class Verdict:
    """`violations`: broken promises, in words; empty: none. `lost`: acknowledged jobs that are not there or did not
    end. `duplicated`: executions started beyond the first of each job."""

    acknowledged: int
    refused: int
    unknown: int
    lost: int
    duplicated: int
    violations: tuple[str, ...] = ()


@dataclass(slots=True)
class Database:
    """The rows that matter, read in one go."""

    jobs: Mapping[str, sqlite3.Row]
    attempts: Mapping[str, list[sqlite3.Row]] = field(default_factory=dict)  # by job, in their order
    integrity: str = "ok"
    foreign_keys: int = 0  # violations


def read(path: Path) -> Database:
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("BEGIN")
        jobs = {row["id"]: row for row in connection.execute("SELECT * FROM job")}
        attempts = defaultdict(list)
        for row in connection.execute(
            "SELECT job.id AS job_id, attempt.* FROM attempt JOIN job ON job.seq = attempt.job_seq ORDER BY job_version"
        ):
            attempts[row["job_id"]].append(row)
        integrity = _integrity(connection)
        foreign = len(connection.execute("PRAGMA foreign_key_check").fetchall())
    return Database(jobs, attempts, integrity, foreign)


def _integrity(connection: sqlite3.Connection) -> str:
    try:
        return "; ".join(row[0] for row in connection.execute("PRAGMA integrity_check"))
    except sqlite3.DatabaseError as error:  # too broken even for that
        return str(error)


def unfinished(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        marks = ",".join("?" * len(TERMINAL))
        count = connection.execute(f"SELECT count(*) FROM job WHERE state NOT IN ({marks})", tuple(TERMINAL))  # noqa: S608
        return int(count.fetchone()[0])


def judge(ledger: Ledger, database: Database, *, duplicates_bound: int, clock_steps: bool = False) -> Verdict:
    """`duplicates_bound`: attempts that may have been in flight when something was killed or stopped. With
    `clock_steps` stored wall times say nothing about order."""
    acknowledged = ledger.acknowledged()
    missing = [job_id for job_id in acknowledged if job_id not in database.jobs]
    stuck = [job_id for job_id in acknowledged if job_id in database.jobs and not _ended(database.jobs[job_id])]
    starts = Counter(work.job_id for work in ledger.work if work.event == "start")
    duplicated = sum(count - 1 for count in starts.values())
    outcomes = Counter(call.outcome for call in ledger.submissions)
    violations = [
        *(f"acknowledged job {job_id} is not there" for job_id in missing),
        *(f"acknowledged job {job_id} is {database.jobs[job_id]['state']} at the end" for job_id in stuck),
        *_keys(ledger.submissions, database),
        *_halves(database),
        *_finishes(ledger, database),
        *(() if clock_steps else _leases(database)),
        *_reads(ledger.calls),
        *(f"a {call.detail} to {call.key}" for call in ledger.calls if call.detail == "500"),
    ]
    if duplicated > duplicates_bound:
        violations.append(f"{duplicated} executions beyond the first, only {duplicates_bound} can have been in flight")
    if database.integrity != "ok":
        violations.append(f"integrity_check: {database.integrity}")
    if database.foreign_keys:
        violations.append(f"foreign_key_check: {database.foreign_keys} rows")
    return Verdict(
        acknowledged=len(acknowledged),
        refused=outcomes[Outcome.REFUSED],
        unknown=outcomes[Outcome.UNKNOWN],
        lost=len(missing) + len(stuck),
        duplicated=duplicated,
        violations=tuple(violations),
    )


def _ended(job: sqlite3.Row) -> bool:
    return job["state"] in TERMINAL and job["finished_at"] is not None


def _keys(submissions: list[Call], database: Database) -> Iterator[str]:
    """One key, one job: in what clients were told, and in the database."""
    told = defaultdict(set)
    for call in submissions:
        if call.outcome is Outcome.ACKNOWLEDGED:
            told[call.key].add(call.job_id)
    yield from (f"key {key} got jobs {sorted(map(str, ids))}" for key, ids in told.items() if len(ids) > 1)
    stored = Counter(job["idempotency_key"] for job in database.jobs.values() if job["idempotency_key"] is not None)
    yield from (f"key {key} is in {count} rows" for key, count in stored.items() if count > 1)
    sent = {call.key for call in submissions}
    yield from (f"nobody sent key {key}" for key in stored.keys() - sent)


def _halves(database: Database) -> Iterator[str]:
    """Whoever is there is there whole: an unknown outcome leaves a job that ends, or nothing."""
    for job_id, job in database.jobs.items():
        if not _ended(job):
            yield f"job {job_id} is {job['state']} at the end, acknowledged or not"
        elif job["state"] != "cancelled" and not database.attempts.get(job_id):
            yield f"job {job_id} is {job['state']} without an attempt in its history"


def _finishes(ledger: Ledger, database: Database) -> Iterator[str]:
    """At most one end is accepted, nothing comes after it, and work that nobody did is never recorded."""
    finished = {(work.job_id, work.attempt) for work in ledger.work if work.event == "finish"}
    kinds = {work.job_id for work in ledger.work}
    for job_id, attempts in database.attempts.items():
        ends = [each["outcome"] for each in attempts]
        if any(end in TERMINAL for end in ends[:-1]):
            yield f"job {job_id} went on after its end: {ends}"
        if ends[-1] == "succeeded" and job_id in kinds and (job_id, attempts[-1]["number"]) not in finished:
            yield f"job {job_id} is recorded as done in attempt {attempts[-1]['number']}, which no handler finished"
        if ends[-1] == "succeeded" and database.jobs[job_id]["state"] != "succeeded":
            yield f"job {job_id} succeeded and is {database.jobs[job_id]['state']}"


def _leases(database: Database) -> Iterator[str]:
    """Accepted leases of one job never overlap: each attempt starts after the one before has ended."""
    for job_id, attempts in database.attempts.items():
        for before, after in itertools.pairwise(attempts):
            if after["started_at"] < before["finished_at"] - CLOCK_SLACK_SECONDS:
                yield f"job {job_id}: attempt {after['number']} started before attempt {before['number']} ended"


def _reads(calls: list[Call]) -> Iterator[str]:
    """No answer shows an older state than an answer that was complete before the call began, whoever gave it."""
    by_job: dict[Any, list[Call]] = defaultdict(list)
    for call in calls:
        if call.job_id is not None and call.version:
            by_job[call.job_id].append(call)
    for job_id, of_job in by_job.items():
        newest, answers = 0, sorted(of_job, key=lambda call: call.ended)
        known = iter(answers)
        pending = next(known, None)
        for call in sorted(of_job, key=lambda call: call.started):
            while pending is not None and pending.ended < call.started:
                newest, pending = max(newest, pending.version), next(known, None)
            if call.version < newest:
                yield f"job {job_id}: version {call.version} was answered after version {newest}"
