"""Alembic's entry: runs migrations on the connection that `syncd.store.migrate` hands over."""

from alembic import context

from syncd.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
