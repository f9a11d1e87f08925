"""A user's key for a submission, and what tells a repeated submission from a different one."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("job", sa.Column("idempotency_key", sa.Text))
    op.add_column("job", sa.Column("idempotency_fingerprint", sa.Text))
    op.create_index(
        "job_idempotent",
        "job",
        ["user_id", "idempotency_key"],
        unique=True,
        sqlite_where=sa.text("idempotency_key IS NOT NULL"),
    )
