"""Run by Alembic: migrations always go over the connection that the caller brings."""

from alembic import context

from postmta_ctl.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    compare_type=True,
    user_module_prefix="types.",
)
context.run_migrations()
