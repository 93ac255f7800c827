"""Alembic's entry: runs migrations on the connection, and inside the transaction, that storage.shed hands over."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True, render_as_batch=True)
context.run_migrations()
