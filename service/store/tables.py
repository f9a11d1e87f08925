"""The schema as SQLAlchemy Core tables; the migrations create it, a test compares the two.

job      one row a job; `seq` counts submissions and is the order of lists and cursors
attempt  the history: one row per ended attempt, inserted as it ends
counter  jobs per state, kept by triggers, so that limit and gauges cost one row and cannot drift
"""

from sqlalchemy import REAL, Column, ForeignKey, Index, Integer, MetaData, Table, Text, desc, text

metadata = MetaData()

job = Table(
    "job",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("created_at", REAL, nullable=False),
    Column("run_at", REAL, nullable=False),
    Column("runnable_at", REAL, nullable=False),
    Column("state", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("max_attempts", Integer, nullable=False),
    Column("timeout_seconds", REAL, nullable=False),
    Column("started_at", REAL),
    Column("finished_at", REAL),
    Column("cancel_requested", Integer, nullable=False),
    Column("request_id", Text),
    Column("trace_id", Text),
    Column("traceparent", Text),
    Column("version", Integer, nullable=False),
    Column("lease_expired", Integer, nullable=False),
    # Whether run_at has come. Jobs of the future stay out of the runnable index, where every claim would pass them.
    Column("due", Integer, nullable=False),
    Column("owner", Text),
    # On the machine's monotonic clock, which only means something within one boot: a step of the wall clock expires no
    # lease, and a reboot expires all.
    Column("lease_until", REAL),
    Column("lease_boot", Text),
    # Last, because they may be long: what stands behind a long column is slow to reach.
    Column("error", Text),
    Column("payload", Text, nullable=False),
    Column("result", Text),
    # What a client may send again (see `statements.add`). In the job's own row, so that both are stored or neither, and
    # both are deleted together.
    Column("idempotency_key", Text),
    Column("idempotency_fingerprint", Text),
    Index(
        "job_idempotent",
        "user_id",
        "idempotency_key",
        unique=True,
        sqlite_where=text("idempotency_key IS NOT NULL"),
    ),
    Index("job_runnable", desc("priority"), "run_at", sqlite_where=text("state = 'queued' AND due = 1")),
    Index("job_queued", "due", "run_at", sqlite_where=text("state = 'queued'")),
    Index("job_leased", "lease_boot", "lease_until", sqlite_where=text("state = 'running'")),
    Index("job_cancelling", "owner", sqlite_where=text("state = 'running' AND cancel_requested = 1")),
    Index("job_ended", "finished_at", sqlite_where=text("finished_at IS NOT NULL")),
    # An index ends with the row's seq, so each of these gives one user's jobs in the order of a list.
    Index("job_of_user", "user_id"),
    Index("job_of_user_by_state", "user_id", "state"),
    Index("job_of_user_by_kind", "user_id", "kind"),
    sqlite_strict=True,
)

attempt = Table(
    "attempt",
    metadata,
    Column("job_seq", Integer, ForeignKey("job.seq", ondelete="CASCADE"), primary_key=True),
    Column(
        "job_version", Integer, primary_key=True
    ),  # the version this attempt's end gave the job: unique, and in order
    Column("number", Integer, nullable=False),
    Column("started_at", REAL, nullable=False),
    Column("finished_at", REAL, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("error", Text),
    Column("trace_id", Text),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

counter = Table(
    "counter",
    metadata,
    Column("state", Text, primary_key=True),
    Column("jobs", Integer, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
