"""The pages of tables and the migrations say the same."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

import storage.audit
import storage.drive.tables
import storage.identity.tables  # noqa: F401 (importing registers the tables)
from storage.schema import metadata


def test_the_migrations_make_the_tables_as_they_are_written_down(database):
    def act(tx):
        # SQLite keeps no lengths of text, so only PostgreSQL's types are compared.
        options = {"compare_type": not tx.is_sqlite}
        return compare_metadata(MigrationContext.configure(tx.connection, opts=options), metadata)

    assert database.read(act) == []
