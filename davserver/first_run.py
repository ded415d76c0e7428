"""The first start of the embedded set-up: one account, its owner, one device, each told once."""

from __future__ import annotations

from dataclasses import dataclass

from storage.audit import COMMAND_LINE
from storage.db import Database, Tx
from storage.identity import accounts, devices, passwords
from storage.identity.devices import Surface
from storage.randomness import new_password, system_random
from storage.scopes import Scope

ACCOUNT = "home"
OWNER = "owner@localhost"


@dataclass(frozen=True, slots=True)
class FirstKeys:
    """What the first start made. The secrets are kept nowhere else."""

    account: str
    email: str
    password: str
    device_secret: str

    def __repr__(self) -> str:
        """Show no secret."""
        return f"FirstKeys(email={self.email!r})"


def make_first_keys(database: Database) -> FirstKeys | None:
    """Open the first account, unless there is one. Return its keys, or None."""
    if database.read(accounts.list_accounts):
        return None
    password = new_password(system_random)
    password_hash = passwords.hash_password(password, random=system_random)

    def act(tx: Tx) -> FirstKeys | None:
        tx.serialise_on("first run", 0)
        if accounts.list_accounts(tx):
            return None  # another process came first, between the look and the lock
        account, owner = accounts.create(
            tx,
            name=ACCOUNT,
            owner_email=OWNER,
            owner_password_hash=password_hash,
            actor=COMMAND_LINE,
        )
        _, secret = devices.issue(
            tx,
            account_id=account.id,
            label="First device",
            scopes=frozenset({Scope.DRIVE_ACCOUNT_READ, Scope.DRIVE_ACCOUNT_WRITE}),
            via=Surface.CLI,
            actor=COMMAND_LINE,
        )
        return FirstKeys(account.name, owner.email, password, secret)

    return database.write(act)
