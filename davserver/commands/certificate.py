"""`davserver dev-certificate`: TLS for trying things out, trusted by nobody until somebody does."""

from __future__ import annotations

import json
from pathlib import Path

import click

from davserver.output import json_option, print_json, print_line
from storage.certificates import write_self_signed
from storage.clock import system_clock
from storage.errors import Misconfigured

_NAMES = ("localhost", "127.0.0.1", "::1")


@click.command("dev-certificate")
@click.argument("folder", metavar="[FOLDER]", default=".", type=click.Path(path_type=Path))
@click.option(
    "--name",
    "names",
    multiple=True,
    default=_NAMES,
    metavar="HOST",
    help="A host name or address that it is good for; may be repeated. Default: this machine's.",
)
@json_option
def dev_certificate(folder: Path, names: tuple[str, ...], as_json: bool) -> None:
    """Write a self-signed certificate and its key into FOLDER; never writes over one."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(f"{folder} can't be made: {error.strerror}.") from None
    certificate, key = (folder.resolve() / name for name in ("certificate.pem", "key.pem"))
    write_self_signed(certificate, key, names=names, now=system_clock())
    settings = {"tls_certificate": str(certificate), "tls_key": str(key)}
    if as_json:
        print_json({"names": list(names), **settings})
        return
    print_line(f"Wrote a certificate for {', '.join(names)}. For [server] in the configuration:")
    print_line()
    for setting, path in settings.items():
        print_line(f"{setting} = {json.dumps(path)}")  # a TOML text is a JSON one
    print_line()
    print_line(f"Clients must be told to trust it:  curl --cacert {certificate} …")
