"""Bringing a database's schema to what this version of the program needs.

The steps are Alembic's, in `versions/`; this file says where a database stands and takes it up.
The embedded SQLite is upgraded at the start of the server; a PostgreSQL only when told.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from storage.db import Database, Tx
from storage.errors import Misconfigured

_SCRIPTS = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """Where a database stands: `current` is None when it is empty."""

    current: str | None
    newest: str
    pending: tuple[str, ...]

    @property
    def is_current(self) -> bool:
        """Whether there is nothing to do."""
        return not self.pending


def read_status(database: Database) -> SchemaStatus:
    """Tell which steps a database still needs.

    Raises Misconfigured when it was written by a newer version than this one.
    """
    return database.read(_status)


def upgrade(database: Database, *, scripts: Path = _SCRIPTS) -> SchemaStatus:
    """Take the database to the newest schema, in one transaction, and say where it stood.

    Two that start at once come one after the other, however long the first takes, and the second
    finds nothing to do. `scripts` is Alembic's folder; a test may have one of its own.
    """

    def act(tx: Tx) -> SchemaStatus:
        tx.serialise_on("migrations", 0)
        before = _status(tx, scripts)
        if not before.is_current:
            config = _alembic_config(scripts)
            config.attributes["connection"] = tx.connection
            command.upgrade(config, "head")
        return before

    return database.rebuild(act)


def require_current(database: Database) -> None:
    """Refuse to go on with a database that was not upgraded.

    Raises Misconfigured, with the command that mends it.
    """
    status = read_status(database)
    if not status.is_current:
        steps = len(status.pending)
        raise Misconfigured(
            f"The database needs {steps} upgrade step{'s' if steps != 1 else ''} before this "
            "version can use it. Make a backup, then run: davserver db upgrade"
        )


def _status(tx: Tx, folder: Path = _SCRIPTS) -> SchemaStatus:
    scripts = ScriptDirectory.from_config(_alembic_config(folder))
    newest = scripts.get_current_head()
    assert newest is not None  # the first step is part of the package
    current = MigrationContext.configure(tx.connection).get_current_revision()
    steps = [script.revision for script in scripts.walk_revisions()]  # newest first
    if current is not None and current not in steps:
        raise Misconfigured(
            f"The database is at schema {current}, which this version does not know: a newer "
            "davserver has used it. Start that version, or restore a backup from before."
        )
    behind = steps if current is None else steps[: steps.index(current)]
    return SchemaStatus(current=current, newest=newest, pending=tuple(reversed(behind)))


def _alembic_config(folder: Path) -> AlembicConfig:
    config = AlembicConfig()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return config
