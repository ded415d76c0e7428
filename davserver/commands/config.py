"""`davserver config`: is it right, and what does it come to?"""

from __future__ import annotations

import click

from davserver.output import json_option, print_json, print_line, print_table
from davserver.session import Session, pass_session
from storage.certificates import read_certificate
from storage.config import Config, masked
from storage.key_file import load_keyring
from storage.sections import SecretsConfig


@click.group()
def config() -> None:
    """Check and show the configuration."""


@config.command()
@json_option
@pass_session
def check(session: Session, as_json: bool) -> None:
    """Say whether the configuration can be used."""
    is_embedded = session.config.is_embedded
    _check_files(session.config)
    if as_json:
        print_json({"ok": True, "embedded": is_embedded})
        return
    source = session.config_path or "no file: the embedded default"
    print_line(f"The configuration is fine ({source}).")


def _check_files(config: Config) -> None:
    """Read the files that the configuration names. Raises Misconfigured."""
    secrets = config.secrets_in_use
    is_made_at_the_first_start = config.is_embedded and config.secrets == SecretsConfig()
    if secrets.keys is not None or not is_made_at_the_first_start:
        load_keyring(secrets)
    server = config.server
    if server.tls_certificate is not None and server.tls_key is not None:
        read_certificate(server.tls_certificate, server.tls_key)


@config.command()
@json_option
@pass_session
def show(session: Session, as_json: bool) -> None:
    """Show every setting as it is in force, secrets masked."""
    sections = masked(session.config)
    if as_json:
        print_json(sections)
        return
    rows = [
        (f"{section}.{key}", "(not set)" if value is None else value)
        for section, settings in sections.items()
        for key, value in settings.items()
    ]
    print_table(("setting", "value"), rows)
