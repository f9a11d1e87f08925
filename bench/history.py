"""A database as a service leaves it that has run many jobs: written by SQL, as to run them takes long."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from service.domain.queue import new_id
from service.store import driver
from service.store.migrations import migrate

USERS = ("dev", *(f"user-{number}" for number in range(1, 25)))
DAYS = 6  # less than the retention of a week, so that nothing is deleted meanwhile
CHUNK = 100_000

# The row of a job that succeeded at its first attempt. The triggers count it, as ever.
JOB = """INSERT INTO job (id, kind, user_id, created_at, run_at, runnable_at, state, priority, attempt, max_attempts,
    timeout_seconds, started_at, finished_at, cancel_requested, request_id, trace_id, traceparent, version,
    lease_expired, due, lease_until, lease_boot, payload, result)
    VALUES (?1, 'sleep', ?2, ?3, ?3, ?3, 'succeeded', 0, 1, 5, 60.0, ?4, ?5, 0, ?6, ?7, ?8, 3, 0, 0, ?3, ?6,
    '{"seconds":0.1,"fail_attempts":0}', '{"slept":0.1}')"""
ATTEMPT = """INSERT INTO attempt SELECT seq, version, 1, started_at, finished_at, 'succeeded', NULL, trace_id
    FROM job WHERE seq > ? ORDER BY seq"""


def user_of(number: int) -> str:
    """Every second job is dev's, the others' are spread."""
    return USERS[0] if number % 2 else USERS[number // 2 % len(USERS)]


def write(path: Path, jobs: int) -> None:
    """A new database with so many succeeded jobs of the last days, in the order in which they came."""
    migrate(path)
    connection = driver.connect(path, "rw", synchronous="NORMAL")
    try:
        connection.execute("PRAGMA cache_size = -500000")
        before = 0
        for start in range(0, jobs, CHUNK):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(JOB, _rows(start, min(start + CHUNK, jobs), jobs))
            connection.execute(ATTEMPT, (before,))
            connection.execute("COMMIT")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            (before,) = connection.execute("SELECT max(seq) FROM job").fetchone()
            print(f"  {before:,} of {jobs:,} rows written, {path.stat().st_size / 2**20:,.0f} MiB", flush=True)
    finally:
        connection.close()


def _rows(start: int, end: int, jobs: int) -> Iterator[tuple[Any, ...]]:
    first, step = time.time() - DAYS * 86_400, DAYS * 86_400 / jobs
    for number in range(start, end):
        created = first + number * step
        trace, request = os.urandom(16).hex(), os.urandom(16).hex()
        traceparent = f"00-{trace}-{trace[:16]}-01"
        started = created + 0.002
        yield new_id(created), user_of(number), created, started, started + 0.1, request, trace, traceparent
