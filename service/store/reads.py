"""What is read: SQLAlchemy Core statements, compiled once and run on the driver (a tenth of the time of an engine's
`execute`)."""

import json
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Select, bindparam, func, literal_column, select, text
from sqlalchemy.dialects import sqlite

from service.domain import transition
from service.domain.job import Job, JobNotFound, State
from service.domain.ports import Page, Query, Stats
from service.store import cursor, rows
from service.store.database import Database
from service.store.driver import sqlite3
from service.store.lease import LeaseClock
from service.store.rows import ATTEMPT_COLUMNS, JOB_COLUMNS
from service.store.tables import attempt, counter, job

_COLUMNS = [job.c[name] for name in JOB_COLUMNS]


def get(connection: sqlite3.Connection, job_id: str, user_id: str) -> Job:
    row = connection.execute(_sql(_one), {"id": job_id, "user_id": user_id}).fetchone()
    if row is None:
        raise JobNotFound(job_id)
    ended = rows.attempts_of(connection.execute(_sql(_history), {"seq": row[0]}))
    return transition.with_running_attempt(rows.job_of(row, ended))


def page(connection: sqlite3.Connection, query: Query, before: int) -> Page:
    values = {"user_id": query.user_id, "before": before, "limit": query.limit + 1}
    filters = tuple(name for name in ("state", "kind") if getattr(query, name) is not None)
    values |= {name: str(getattr(query, name)) for name in filters}
    found = connection.execute(_sql(_page, *filters), values).fetchall()
    more = len(found) > query.limit  # the one row too many says that another page follows
    shown = found[: query.limit]
    ended: dict[int, list[rows.Row]] = {row[0]: [] for row in shown}
    for seq, *attempt_row in connection.execute(_sql(_histories), {"seqs": json.dumps(list(ended))}):
        ended[seq].append(tuple(attempt_row))
    jobs = [transition.with_running_attempt(rows.job_of(row, rows.attempts_of(ended[row[0]]))) for row in shown]
    return Page(items=jobs, next=cursor.encode(shown[-1][0]) if more else None)


def versions(connection: sqlite3.Connection, job_ids: Sequence[str]) -> dict[str, int]:
    """Of the jobs that there are."""
    return dict(connection.execute(_sql(_versions), {"ids": json.dumps(job_ids)}).fetchall())


def cancellations(connection: sqlite3.Connection, owner: str) -> frozenset[str]:
    return frozenset(row[0] for row in connection.execute(_sql(_cancellations), {"owner": owner}))


def stats(connection: sqlite3.Connection, database: Database, lease_clock: LeaseClock, now: float) -> Stats:
    runnable, scheduled, running, leased = connection.execute(_sql(_oldest), {"boot": lease_clock.boot}).fetchone()
    runnable = min(time for time in (runnable, scheduled, now) if time is not None)
    return Stats(
        jobs={State(name): number for name, number in connection.execute(_sql(_counts))},
        oldest_runnable_age_seconds=max(0.0, now - runnable),
        oldest_running_age_seconds=max(0.0, now - (now if running is None else running)),
        lease_overdue_seconds=0.0 if leased is None else max(0.0, lease_clock.now() - leased),
        database_size_bytes=database.path.stat().st_size,
        wal_size_bytes=database.log_bytes(),
        disk_free_bytes=database.free_bytes(),
    )


def _one() -> Select[Any]:
    return select(*_COLUMNS).where(job.c.id == bindparam("id"), job.c.user_id == bindparam("user_id"))


def _history() -> Select[Any]:
    columns = [attempt.c[name] for name in ATTEMPT_COLUMNS]
    return select(*columns).where(attempt.c.job_seq == bindparam("seq")).order_by(attempt.c.job_version)


def _histories() -> Select[Any]:
    """Of all jobs of a page at once. The ids come as JSON, as the number of bound values would be part of the SQL."""
    columns = [attempt.c[name] for name in ("job_seq", *ATTEMPT_COLUMNS)]
    seqs: Select[Any] = select(literal_column("value")).select_from(func.json_each(bindparam("seqs")))
    return select(*columns).where(attempt.c.job_seq.in_(seqs)).order_by(attempt.c.job_seq, attempt.c.job_version)


def _page(*filters: str) -> Select[Any]:
    return (
        select(*_COLUMNS)
        .where(job.c.user_id == bindparam("user_id"), job.c.seq < bindparam("before"))
        .where(*(job.c[name] == bindparam(name) for name in filters))
        .order_by(job.c.seq.desc())
        .limit(bindparam("limit"))
        .offset(literal_column("0"))  # else the dialect adds a parameter of its own
    )


def _versions() -> Select[Any]:
    ids: Select[Any] = select(literal_column("value")).select_from(func.json_each(bindparam("ids")))
    return select(job.c.id, job.c.version).where(job.c.id.in_(ids))


def _cancellations() -> Select[Any]:
    return select(job.c.id).where(text("state = 'running' AND cancel_requested = 1"), job.c.owner == bindparam("owner"))


def _counts() -> Select[Any]:
    return select(counter.c.state, counter.c.jobs)


def _oldest() -> Select[Any]:
    # Literal states, here and above: a partial index does not serve a condition whose value is bound.
    runnable = select(func.min(job.c.run_at)).where(text("state = 'queued' AND due = 1"))
    scheduled = select(func.min(job.c.run_at)).where(text("state = 'queued' AND due = 0"))
    running = select(func.min(job.c.started_at)).where(text("state = 'running'"))
    # Of this boot: how long another boot's leases have been over, no clock can tell; the next claim takes their jobs.
    leased = select(func.min(job.c.lease_until)).where(text("state = 'running'"), job.c.lease_boot == bindparam("boot"))
    return select(*(each.scalar_subquery() for each in (runnable, scheduled, running, leased)))


@cache
def _sql(statement: Callable[..., Select[Any]], *arguments: str) -> str:
    return str(statement(*arguments).compile(dialect=sqlite.dialect(paramstyle="named")))
