"""What a next release may do while this one works: a column more in each table, two indexes more, a table more."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("job", sa.Column("tenant", sa.Text))
    op.add_column("attempt", sa.Column("seconds", sa.REAL, nullable=False, server_default="0"))
    op.add_column("counter", sa.Column("changed_at", sa.REAL))
    op.create_index("job_of_tenant", "job", ["tenant"])
    op.create_index("job_of_tenant_once", "job", ["tenant", "id"], unique=True)
    op.create_table("tenant", sa.Column("name", sa.Text, primary_key=True), sqlite_strict=True)
