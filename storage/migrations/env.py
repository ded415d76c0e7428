"""Alembic's entry: runs the steps on the connection and transaction that it is handed."""

from alembic import context

import storage.audit
import storage.drive.tables
import storage.identity.tables
import storage.key_register  # noqa: F401 (importing registers the tables)
from storage.schema import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    # SQLite can't alter a table in place; Alembic copies it to a new one instead.
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
)
context.run_migrations()
