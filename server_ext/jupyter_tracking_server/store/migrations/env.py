"""Run by Alembic: migrates on the connection that ``migrate.py`` hands over, inside its transaction."""

from __future__ import annotations

from alembic import context

from jupyter_tracking_server.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
context.run_migrations()
