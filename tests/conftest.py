"""What every test may ask for: time and chance that it controls, and real databases.

Nothing here is a mock. The clock and the chance are real implementations that a test steers; the
databases are a real SQLite file and a real PostgreSQL.
"""

from __future__ import annotations

import logging
import os
import random as random_module
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import settings

from storage import migrations
from storage.db import Database
from storage.sections import DatabaseConfig
from tests.real_postgres import PostgresCluster

settings.register_profile("house", deadline=None)  # the machine may be busy with other tests
settings.load_profile("house")

for _name in [name for name in os.environ if name.startswith("DAVSERVER_")]:
    del os.environ[_name]  # a developer's own settings must not steer the tests


class SteeredClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **span: float) -> None:
        self.now += timedelta(**span)


@pytest.fixture
def clock() -> SteeredClock:
    return SteeredClock()


@pytest.fixture
def chance():
    """The same bytes in the same order, every time."""
    return random_module.Random(20260301).randbytes


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all of pytest's worker processes."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def postgres(shared_folder: Path) -> Iterator[PostgresCluster]:
    """A real PostgreSQL, shared by all worker processes; each test gets a database of its own."""
    cluster = PostgresCluster.start(shared_folder)
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An upgraded, empty SQLite file to copy from."""
    path = tmp_path_factory.mktemp("template") / "template.db"
    database = Database(sqlite_config(path))
    migrations.upgrade(database)
    database.close()
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres: PostgresCluster) -> str:
    """The name of an upgraded, empty PostgreSQL database to copy from."""
    name = postgres.create_database()
    database = Database(DatabaseConfig(url=postgres.url(name)))
    migrations.upgrade(database)
    database.close()
    return name


def sqlite_config(path: Path) -> DatabaseConfig:
    return DatabaseConfig(url=f"sqlite:///{path}", durability="relaxed")


@pytest.fixture
def sqlite_database_config(tmp_path: Path, sqlite_template: Path) -> DatabaseConfig:
    """The settings of an upgraded SQLite that nobody else uses."""
    path = tmp_path / "davserver.db"
    shutil.copyfile(sqlite_template, path)
    return sqlite_config(path)


@pytest.fixture
def postgres_database_config(
    postgres: PostgresCluster, postgres_template: str
) -> Iterator[DatabaseConfig]:
    """The settings of an upgraded PostgreSQL database that nobody else uses."""
    name = postgres.create_database(template=postgres_template)
    yield DatabaseConfig(url=postgres.url(name))
    postgres.drop_database(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_config(request: pytest.FixtureRequest) -> DatabaseConfig:
    """Both supported databases, one after the other."""
    kind = "postgres" if request.param == "postgresql" else "sqlite"
    return request.getfixturevalue(f"{kind}_database_config")


@pytest.fixture
def database(database_config: DatabaseConfig, clock: SteeredClock, chance) -> Iterator[Database]:
    """An upgraded database, empty but for its schema, on both kinds."""
    database = Database(database_config, clock=clock, random=chance)
    yield database
    database.close()


@pytest.fixture(autouse=True)
def _quiet_libraries() -> None:
    logging.getLogger("alembic").setLevel(logging.WARNING)
