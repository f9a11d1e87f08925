"""The claim: in one transaction, expired leases end, scheduled jobs become due, and the best runnable jobs start."""

from collections.abc import Sequence
from typing import NamedTuple

from service.domain import transition
from service.domain.job import Job
from service.domain.ports import Claimed
from service.store import rows
from service.store.lease import LeaseClock
from service.store.rows import JOB_COLUMNS
from service.store.statements import RECORD, SELECT, Transaction, save

EXPIRED_AT_ONCE = 100
"""A bound on what one claim repairs after a crash, so that it holds the lock for milliseconds; the next goes on."""

PROMOTED_AT_ONCE = 2000
"""The same bound for many jobs scheduled for one moment."""

# INDEXED BY, because a wrong guess of the planner would sort the whole queue in each claim.
EXPIRED = f"""{SELECT} WHERE seq IN (
    SELECT seq FROM job INDEXED BY job_leased WHERE state = 'running' AND lease_boot = ?1 AND lease_until < ?2
    UNION ALL SELECT seq FROM job INDEXED BY job_leased WHERE state = 'running' AND lease_boot < ?1
    UNION ALL SELECT seq FROM job INDEXED BY job_leased WHERE state = 'running' AND lease_boot > ?1
    LIMIT ?3)"""  # noqa: S608  constant names

PROMOTE = """UPDATE job SET due = 1 WHERE seq IN (
    SELECT seq FROM job INDEXED BY job_queued WHERE state = 'queued' AND due = 0 AND run_at <= ?
    ORDER BY run_at LIMIT ?)"""

START = f"""UPDATE OR FAIL job SET state = 'running', due = 0, attempt = attempt + 1, version = version + 1,
    started_at = max(?, run_at), owner = ?, lease_until = ?, lease_boot = ? WHERE seq IN (
    SELECT seq FROM job INDEXED BY job_runnable WHERE state = 'queued' AND due = 1
    ORDER BY priority DESC, run_at, seq LIMIT ?)
    RETURNING {", ".join(JOB_COLUMNS)}"""  # noqa: S608  constant names

NEXT = """SELECT run_at FROM job INDEXED BY job_queued WHERE state = 'queued' AND due = 0 ORDER BY run_at LIMIT 1"""


class Claim(NamedTuple):
    owner: str
    limit: int
    lease_seconds: float
    now: float
    clock: LeaseClock


def claim(transaction: Transaction, calls: Sequence[Claim]) -> list[Claimed]:
    return [_claim(transaction, call) for call in calls]


def _claim(transaction: Transaction, call: Claim) -> Claimed:
    execute = transaction.connection.execute
    expired = _expire(transaction, call)
    execute(PROMOTE, (call.now, PROMOTED_AT_ONCE))
    until = call.clock.now() + call.lease_seconds
    started = execute(START, (call.now, call.owner, until, call.clock.boot, call.limit)).fetchall()
    transaction.more |= 0 < call.limit == len(started)
    transaction.changed += [row[1] for row in started]
    started.sort(key=lambda row: (-row[7], row[5], row[0]))  # RETURNING promises no order; this is the index's
    earliest = execute(NEXT).fetchone()
    return Claimed(
        jobs=[rows.job_of(row) for row in started], expired=expired, next_run_at=earliest[0] if earliest else None
    )


def _expire(transaction: Transaction, call: Claim) -> list[Job]:
    found = transaction.connection.execute(EXPIRED, (call.clock.boot, call.clock.now(), EXPIRED_AT_ONCE)).fetchall()
    jobs = []
    for row in found:
        job, ended = transition.expired(rows.job_of(row), call.now)
        save(transaction, row[0], job, due=True)
        transaction.connection.execute(RECORD, rows.attempt_row(row[0], job.version, ended))
        jobs.append(job)
    return jobs
