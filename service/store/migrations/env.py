"""Run by Alembic, never imported by the service: hands it the connection of `migrate`."""

from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo

from service.store.migrations.upgrade import declared_oldest
from service.store.tables import metadata


def run() -> None:
    context.configure(
        connection=context.config.attributes["connection"], target_metadata=metadata, on_version_apply=_applied
    )
    with context.begin_transaction():
        context.run_migrations()


def _applied(ctx: MigrationContext, step: MigrationInfo, heads: object, run_args: object) -> None:
    """A migration that contracts the schema notes in the database whose code is the oldest that still works on it."""
    assert ctx.connection is not None  # noqa: S101  there is one, as migrations run on it
    if (oldest := declared_oldest(step.up_revision)) is not None:
        ctx.connection.exec_driver_sql(f"PRAGMA user_version = {int(oldest)}")


if __name__ == "env_py":  # the name under which Alembic loads this file
    run()
