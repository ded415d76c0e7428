"""`davserver keys`: the keys that seal stored secrets."""

from __future__ import annotations

from pathlib import Path

import click

from davserver.output import json_option, print_json, print_line
from davserver.session import Session, pass_session
from storage.clock import system_clock
from storage.errors import Misconfigured
from storage.key_file import add_key, create_key_file, load_keyring
from storage.keys import new_key
from storage.randomness import system_random


@click.group()
def keys() -> None:
    """Make and look at the keys that seal stored secrets."""


@keys.command()
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@json_option
def new(path: Path, as_json: bool) -> None:
    """Make a key file with one new key; never writes over one."""
    key = new_key(system_random, system_clock())
    create_key_file(path, key)
    if as_json:
        print_json({"key_id": key.key_id, "file": str(path)})
        return
    print_line(f"Wrote the key {key.key_id} to {path}, for its owner's eyes only (mode 0600).")
    print_line("Keep a copy apart from your database backups: without it, what it seals is lost.")


@keys.command()
@json_option
@pass_session
def add(session: Session, as_json: bool) -> None:
    """Add a new key that seals from the next start on; those there before only open."""
    path = session.config.secrets_in_use.key_file
    if path is None:
        raise Misconfigured(
            "The keys come from [secrets] keys, which no command can change: "
            "put a new one in front there."
        )
    key = new_key(system_random, system_clock())
    add_key(path, key)
    if as_json:
        print_json({"key_id": key.key_id, "file": str(path)})
        return
    print_line(f"Added the key {key.key_id} to {path}; it seals once the server starts again.")
    print_line("Renew your copy of the key file, and give every node the same one.")


@keys.command()
@json_option
@pass_session
def status(session: Session, as_json: bool) -> None:
    """List the keys at hand: the first seals, all of them open."""
    keyring = load_keyring(session.config.secrets_in_use)
    others = [key.key_id for key in keyring.others]
    if as_json:
        print_json({"active": keyring.active.key_id, "decrypt_only": others})
        return
    print_line(f"{keyring.active.key_id}  seals and opens")
    for key_id in others:
        print_line(f"{key_id}  opens only")
