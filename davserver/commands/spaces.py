"""Which drive a command is about: an account's, or that of one of its mailboxes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from storage.db import Tx
from storage.drive import spaces
from storage.drive.spaces import Space
from storage.errors import NotFound
from storage.identity import accounts

Command = TypeVar("Command", bound=Callable[..., Any])  # Any: click's own contract


def drive_options(command: Command) -> Command:
    """Add `--account NAME` and `--mailbox ID`."""
    mailbox = click.option(
        "--mailbox", "mailbox_id", type=int, metavar="ID", help="Its own drive, not the account's."
    )
    account = click.option(
        "--account", "account_name", required=True, metavar="NAME", help="Whose drive."
    )
    return account(mailbox(command))


def get_space(tx: Tx, account_name: str, mailbox_id: int | None) -> Space:
    """Return the drive. Raises NotFound for an unknown account, or one that is not used yet."""
    account = accounts.get_by_name(tx, account_name)
    found = spaces.find(tx, account_id=account.id, mailbox_id=mailbox_id)
    if found is None:
        raise NotFound("Nobody has used this drive yet.")
    return found
