"""The command line as a test runs it: in this process, in a folder of its own."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from davserver.cli import main
from storage.audit import COMMAND_LINE
from storage.clock import system_clock
from storage.config import load_config
from storage.db import Database, Tx
from storage.identity import accounts, devices
from storage.identity.devices import Surface
from storage.key_file import create_key_file
from storage.keys import new_key
from storage.randomness import system_random
from storage.scopes import Scope


@dataclass
class CommandLine:
    """A folder with a configuration, and `davserver` at work in it."""

    folder: Path

    def __call__(self, *words: object, stdin: str | bytes | None = None) -> Result:
        arguments = ["--config", str(self.config_path), *map(str, words)]
        return CliRunner().invoke(main, arguments, input=stdin, prog_name="davserver")

    def json(self, *words: object, stdin: str | None = None) -> Any:
        """Run a command that must succeed, and return the one value that it printed."""
        result = self(*words, "--json", stdin=stdin)
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    @property
    def config_path(self) -> Path:
        return self.folder / "davserver.toml"

    def configure(self, text: str) -> None:
        self.config_path.write_text(text)

    def use_database_like(self, template: Path) -> None:
        """Begin with an upgraded database, as making one anew takes a moment in every test."""
        (self.folder / "data").mkdir(mode=0o700)
        shutil.copyfile(template, self.folder / "data" / "davserver.db")
        key = new_key(system_random, system_clock())
        create_key_file(self.folder / "data" / "davserver.keys", key)

    def use_empty_database(self) -> None:
        """Begin with a database that has no schema yet."""
        (self.folder / "data").mkdir(mode=0o700)
        (self.folder / "data" / "davserver.db").touch(mode=0o600)

    def write(self, act: Any) -> Any:
        """Do something to the database behind the command line's back."""
        database = Database(load_config(self.config_path).database)
        try:
            return database.write(act)
        finally:
            database.close()

    def open_account(self, name: str = "home", *, owner: str | None = None) -> int:
        """Open an account whose owner can't sign in; the hash of a password takes long."""

        def act(tx: Tx) -> int:
            account, _ = accounts.create(
                tx,
                name=name,
                owner_email=owner or f"owner@{name}.example.org",
                owner_password_hash="none",
                actor=COMMAND_LINE,
            )
            return account.id

        return self.write(act)

    def issue_device(self, account_id: int, *, label: str = "Phone") -> int:
        def act(tx: Tx) -> int:
            device, _ = devices.issue(
                tx,
                account_id=account_id,
                label=label,
                scopes=frozenset({Scope.DRIVE_ACCOUNT_READ}),
                via=Surface.CLI,
                actor=COMMAND_LINE,
            )
            return device.id

        return self.write(act)
