"""Run by Alembic, never imported by the service: hands it the connection of `migrate`."""

from alembic import context

from service.store.tables import metadata


def run() -> None:
    context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()


if __name__ == "env_py":  # the name under which Alembic loads this file
    run()
