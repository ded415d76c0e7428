"""`davserver device`: issue, list, rename, rotate and revoke devices."""

from __future__ import annotations

import click

from davserver.output import day, json_option, print_hint, print_json, print_line, print_table
from davserver.session import Session, pass_session
from storage.audit import COMMAND_LINE
from storage.clock import system_clock
from storage.db import Tx
from storage.identity import accounts, devices
from storage.identity.accounts import Owner
from storage.identity.devices import Device, Surface
from storage.scopes import Scope, parse_scopes

_account_filter = click.option(
    "--account", "account_name", metavar="NAME", help="Only this account's."
)
_device_argument = click.argument("device_id", type=int, metavar="ID")


@click.group()
def device() -> None:
    """Issue, list, rename, rotate and revoke devices. Each has a password of its own."""


@device.command()
@click.option("--account", "account_name", required=True, metavar="NAME", help="Whose device.")
@click.option("--label", required=True, help="What you will know it by, such as 'Mary's laptop'.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    metavar="SCOPE",
    help=f"What it may do; repeat for more. Without any: {Scope.DRIVE_ACCOUNT_READ} and "
    f"{Scope.DRIVE_ACCOUNT_WRITE}.",
)
@click.option("--expires-in-days", type=int, metavar="N", help="Without it: no end.")
@json_option
@pass_session
def issue(
    session: Session,
    account_name: str,
    label: str,
    scopes: tuple[str, ...],
    expires_in_days: int | None,
    as_json: bool,
) -> None:
    """Make a device and show its password, once."""
    wanted = parse_scopes(scopes or (Scope.DRIVE_ACCOUNT_READ, Scope.DRIVE_ACCOUNT_WRITE))

    def act(tx: Tx) -> tuple[Device, str, Owner]:
        owner_of = accounts.get_by_name(tx, account_name)
        made, secret = devices.issue(
            tx,
            account_id=owner_of.id,
            label=label,
            scopes=wanted,
            expires_in_days=expires_in_days,
            via=Surface.CLI,
            actor=COMMAND_LINE,
        )
        return made, secret, accounts.get_owner(tx, owner_of.id)

    with session.existing_store() as store:
        made, secret, owner = store.database.write(act)
    _show_issued(session, made, secret, owner, as_json=as_json)


@device.command(name="list")
@_account_filter
@json_option
@pass_session
def list_(session: Session, account_name: str | None, as_json: bool) -> None:
    """List all devices, or an account's, in whatever state."""

    def act(tx: Tx) -> list[Device]:
        return devices.list_devices(tx, account_id=_account_id(tx, account_name))

    with session.existing_store() as store:
        found = store.database.read(act)
    now = system_clock()
    if as_json:
        print_json([_plain(each) | {"state": each.state(now)} for each in found])
        return
    if not found:
        print_hint(
            "No device yet. Issue one with: "
            f"davserver device issue --account {account_name or 'NAME'} --label LABEL"
        )
        return
    rows = [
        (each.id, each.label, each.state(now), ", ".join(sorted(each.scopes)),
         day(each.created_at), day(each.expires_at), day(each.last_used_at) or "never")
        for each in found
    ]  # fmt: skip
    print_table(("id", "label", "state", "scopes", "created", "expires", "last used"), rows)


@device.command()
@_account_filter
@_device_argument
@click.argument("label", metavar="LABEL")
@json_option
@pass_session
def rename(
    session: Session, account_name: str | None, device_id: int, label: str, as_json: bool
) -> None:
    """Give a device another label. Its password stays."""

    def act(tx: Tx) -> Device:
        account_id = _account_id(tx, account_name)
        return devices.rename(
            tx, account_id=account_id, device_id=device_id, label=label, actor=COMMAND_LINE
        )

    with session.existing_store() as store:
        renamed = store.database.write(act)
    if as_json:
        print_json(_plain(renamed) | {"state": renamed.state(system_clock())})
        return
    print_line(f"Device {renamed.id} is called {renamed.label} now.")


@device.command()
@_account_filter
@_device_argument
@json_option
@pass_session
def rotate(session: Session, account_name: str | None, device_id: int, as_json: bool) -> None:
    """Replace a device by one with a new password; the old one ends at once."""

    def act(tx: Tx) -> tuple[Device, str, Owner]:
        made, secret = devices.rotate(
            tx,
            account_id=_account_id(tx, account_name),
            device_id=device_id,
            via=Surface.CLI,
            actor=COMMAND_LINE,
        )
        return made, secret, accounts.get_owner(tx, made.account_id)

    with session.existing_store() as store:
        made, secret, owner = store.database.write(act)
    _show_issued(session, made, secret, owner, as_json=as_json)


@device.command()
@_account_filter
@_device_argument
@click.option("--reason", default="revoked by an operator", show_default=True)
@json_option
@pass_session
def revoke(
    session: Session, account_name: str | None, device_id: int, reason: str, as_json: bool
) -> None:
    """End a device for good. Doing it twice changes nothing."""

    def act(tx: Tx) -> tuple[Device, bool]:
        account_id = _account_id(tx, account_name)
        return devices.revoke(
            tx, account_id=account_id, device_id=device_id, reason=reason, actor=COMMAND_LINE
        )

    with session.existing_store() as store:
        ended, was_alive = store.database.write(act)
    if as_json:
        print_json(_plain(ended) | {"state": "revoked"})
    elif was_alive:
        print_line(f"Revoked device {ended.id}, {ended.label}. No other device is affected.")
    else:
        print_line(f"Device {ended.id}, {ended.label}, had been revoked before.")


def _account_id(tx: Tx, name: str | None) -> int | None:
    return None if name is None else accounts.get_by_name(tx, name).id


def _show_issued(
    session: Session, made: Device, secret: str, owner: Owner, *, as_json: bool
) -> None:
    server_url = f"{session.config.server.base_url}/dav/files/"
    if as_json:
        print_json(
            {
                "id": made.id,
                "label": made.label,
                "password": secret,
                "username": owner.email,
                "server_url": server_url,
                "scopes": sorted(made.scopes),
                "mailbox": None,
                "expires_at": made.expires_at.isoformat() if made.expires_at else None,
            }
        )
        return
    print_line(f"Device {made.id}, {made.label}: {', '.join(sorted(made.scopes))}")
    print_line(f"Address:  {server_url}")
    print_line(f"User:     {owner.email}")
    print_line(f"Password: {secret}")
    print_hint("The password is shown only now. If it is lost, issue another and revoke this one.")


def _plain(each: Device) -> dict[str, object]:
    return {
        "id": each.id,
        "label": each.label,
        "scopes": sorted(each.scopes),
        "mailbox": each.mailbox_id,
        "issued_via": each.issued_via,
        "issued_by": each.issued_by,
        "created_at": each.created_at.isoformat(),
        "expires_at": each.expires_at.isoformat() if each.expires_at else None,
        "last_used_at": each.last_used_at.isoformat() if each.last_used_at else None,
        "revoked_at": each.revoked_at.isoformat() if each.revoked_at else None,
    }
