"""`davserver lock`: list the locks that clients hold, and break one."""

from __future__ import annotations

import click

from davserver.output import day, json_option, print_hint, print_json, print_line, print_table
from davserver.session import Session, pass_session
from storage.audit import COMMAND_LINE
from storage.db import Tx
from storage.drive import locking
from storage.drive.locks import Lock
from storage.identity import accounts


@click.group()
def lock() -> None:
    """List the locks that clients hold on files, and break one."""


@lock.command(name="list")
@click.option("--account", "account_name", metavar="NAME", help="Only this account's.")
@json_option
@pass_session
def list_(session: Session, account_name: str | None, as_json: bool) -> None:
    """List every live lock."""

    def act(tx: Tx) -> list[Lock]:
        account = accounts.get_by_name(tx, account_name) if account_name else None
        return locking.list_locks(tx, account_id=account.id if account else None)

    with session.existing_store() as store:
        found = store.database.read(act)
    if as_json:
        print_json(
            [
                {
                    "token": it.token,
                    "path": f"/{it.href}",
                    "device": it.device_id,
                    "expires_at": it.expires_at.isoformat(),
                }
                for it in found
            ]
        )
    elif not found:
        print_hint("Nothing is locked.")
    else:
        rows = [(it.token, f"/{it.href}", it.device_id, day(it.expires_at)) for it in found]
        print_table(("token", "path", "device", "until"), rows)


@lock.command(name="break")
@click.argument("lock_token", metavar="TOKEN")
@json_option
@pass_session
def break_(session: Session, lock_token: str, as_json: bool) -> None:
    """End a lock, whoever holds it. What its client has not saved yet may be refused."""
    with session.existing_store() as store:
        broken = store.database.write(
            lambda tx: locking.break_lock(tx, token=lock_token, actor=COMMAND_LINE)
        )
    if as_json:
        print_json({"token": lock_token, "device": broken.device_id, "path": f"/{broken.href}"})
        return
    print_line(f"Broke the lock of device {broken.device_id} on /{broken.href}")
