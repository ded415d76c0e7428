"""What a command may ask for: the configuration, and the store that it names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import click

from davserver.log import configure_logging
from storage.config import Config, load_config
from storage.db import Database
from storage.store import Store, open_store, prepare_embedded, require_database


class Session:
    """One run of the command line. Nothing is read or opened before a command asks for it."""

    def __init__(self, config_path: Path | None) -> None:
        self.config_path = config_path

    @cached_property
    def config(self) -> Config:
        """The configuration, read once, with logging set up as it says."""
        config = load_config(self.config_path)
        configure_logging(config.log)
        return config

    @contextmanager
    def store(self) -> Iterator[Store]:
        """Open the whole store; an embedded one that is not there yet is made first.

        Only for commands that begin something: `serve` and `account create`.
        """
        prepare_embedded(self.config)
        with self.existing_store() as store:
            yield store

    @contextmanager
    def existing_store(self) -> Iterator[Store]:
        """Open the whole store, which must be there: a look in the wrong folder makes nothing."""
        require_database(self.config)
        store = open_store(self.config)
        try:
            yield store
        finally:
            store.close()

    @contextmanager
    def database(self) -> Iterator[Database]:
        """Open the database alone, in whatever state it is; it must be there."""
        require_database(self.config)
        database = Database(self.config.database)
        try:
            yield database
        finally:
            database.close()


pass_session = click.make_pass_decorator(Session)
