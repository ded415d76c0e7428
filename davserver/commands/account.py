"""`davserver account`: open and list accounts."""

from __future__ import annotations

import sys

import click

from davserver.output import day, json_option, print_hint, print_json, print_line, print_table
from davserver.session import Session, pass_session
from storage.audit import COMMAND_LINE
from storage.db import Tx
from storage.errors import Invalid
from storage.identity import accounts, passwords
from storage.identity.accounts import Account, Owner
from storage.randomness import new_password, system_random


@click.group()
def account() -> None:
    """Open and list accounts."""


@account.command()
@click.argument("name")
@click.option("--owner", required=True, metavar="EMAIL", help="Who it belongs to.")
@click.option("--plan", default=accounts.DEFAULT_PLAN, show_default=True)
@click.option(
    "--password-stdin", is_flag=True, help="Read the owner's password from standard input."
)
@json_option
@pass_session
def create(
    session: Session, name: str, owner: str, plan: str, password_stdin: bool, as_json: bool
) -> None:
    """Open an account, and make its owner's sign-in."""
    password = read_password() if password_stdin else new_password(system_random)
    password_hash = passwords.hash_password(password, random=system_random)

    def act(tx: Tx) -> tuple[Account, Owner]:
        return accounts.create(
            tx,
            name=name,
            owner_email=owner,
            owner_password_hash=password_hash,
            plan=plan,
            actor=COMMAND_LINE,
        )

    with session.store() as store:
        opened, person = store.database.write(act)
    if as_json:
        shown: dict[str, object] = {
            "id": opened.id,
            "name": opened.name,
            "owner": {"id": person.id, "email": person.email},
        }
        print_json(shown if password_stdin else shown | {"password": password})
        return
    print_line(f"Opened the account {opened.name} (number {opened.id}, plan {opened.plan}).")
    print_line(f"Its owner signs in as {person.email}.")
    if not password_stdin:
        print_line(f"Password, shown only now: {password}")


@account.command(name="list")
@json_option
@pass_session
def list_(session: Session, as_json: bool) -> None:
    """List all accounts."""
    with session.existing_store() as store:
        found = store.database.read(accounts.list_accounts)
    if as_json:
        print_json(
            [
                {
                    "id": each.id,
                    "name": each.name,
                    "plan": each.plan,
                    "status": each.status,
                    "created_at": each.created_at.isoformat(),
                }
                for each in found
            ]
        )
        return
    if not found:
        print_hint("No account yet. Open one with: davserver account create NAME --owner EMAIL")
        return
    rows = [(each.id, each.name, each.plan, each.status, day(each.created_at)) for each in found]
    print_table(("id", "name", "plan", "status", "created"), rows)


def read_password() -> str:
    """Return the first line of standard input, without its line end.

    Raises Invalid when it is not text; the error of the decoder would show what was typed.
    """
    try:
        line = sys.stdin.readline()
    except UnicodeDecodeError:
        raise Invalid("The password on standard input is not text in UTF-8.") from None
    return line.removesuffix("\n").removesuffix("\r")
