"""Jobs, their attempts, and the number of jobs per state."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

STATES = ("queued", "running", "succeeded", "failed", "cancelled")

TRIGGERS = (
    """CREATE TRIGGER job_counted_in AFTER INSERT ON job BEGIN
        UPDATE counter SET jobs = jobs + 1 WHERE state = NEW.state;
    END""",
    """CREATE TRIGGER job_counted_over AFTER UPDATE OF state ON job WHEN OLD.state <> NEW.state BEGIN
        UPDATE counter SET jobs = jobs + 1 WHERE state = NEW.state;
        UPDATE counter SET jobs = jobs - 1 WHERE state = OLD.state;
    END""",
    """CREATE TRIGGER job_counted_out AFTER DELETE ON job BEGIN
        UPDATE counter SET jobs = jobs - 1 WHERE state = OLD.state;
    END""",
)


def upgrade() -> None:
    _create_tables()
    _create_indexes()
    for trigger in TRIGGERS:
        op.execute(trigger)
    counter = sa.table("counter", sa.column("state", sa.Text), sa.column("jobs", sa.Integer))
    op.bulk_insert(counter, [{"state": state, "jobs": 0} for state in STATES])


def _create_tables() -> None:
    op.create_table(
        "job",
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("created_at", sa.REAL, nullable=False),
        sa.Column("run_at", sa.REAL, nullable=False),
        sa.Column("runnable_at", sa.REAL, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("max_attempts", sa.Integer, nullable=False),
        sa.Column("timeout_seconds", sa.REAL, nullable=False),
        sa.Column("started_at", sa.REAL),
        sa.Column("finished_at", sa.REAL),
        sa.Column("cancel_requested", sa.Integer, nullable=False),
        sa.Column("request_id", sa.Text),
        sa.Column("trace_id", sa.Text),
        sa.Column("traceparent", sa.Text),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("lease_expired", sa.Integer, nullable=False),
        sa.Column("due", sa.Integer, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("lease_until", sa.REAL),
        sa.Column("lease_boot", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("result", sa.Text),
        sqlite_strict=True,
    )
    op.create_table(
        "attempt",
        sa.Column("job_seq", sa.Integer, sa.ForeignKey("job.seq", ondelete="CASCADE"), primary_key=True),
        sa.Column("job_version", sa.Integer, primary_key=True),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("started_at", sa.REAL, nullable=False),
        sa.Column("finished_at", sa.REAL, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("trace_id", sa.Text),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "counter",
        sa.Column("state", sa.Text, primary_key=True),
        sa.Column("jobs", sa.Integer, nullable=False),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def _create_indexes() -> None:
    def index(name: str, columns: list[str | sa.TextClause], where: str | None = None) -> None:
        op.create_index(name, "job", columns, sqlite_where=sa.text(where) if where else None)

    index("job_runnable", [sa.text("priority DESC"), "run_at"], "state = 'queued' AND due = 1")
    index("job_queued", ["due", "run_at"], "state = 'queued'")
    index("job_leased", ["lease_boot", "lease_until"], "state = 'running'")
    index("job_cancelling", ["owner"], "state = 'running' AND cancel_requested = 1")
    index("job_ended", ["finished_at"], "finished_at IS NOT NULL")
    index("job_of_user", ["user_id"])
    index("job_of_user_by_state", ["user_id", "state"])
    index("job_of_user_by_kind", ["user_id", "kind"])
