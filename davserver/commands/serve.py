"""`davserver serve`: the server."""

from __future__ import annotations

import os
import shlex
import socket

import click

from davserver.first_run import FirstKeys, make_first_keys
from davserver.http.listening import open_listeners
from davserver.http.metrics import Board
from davserver.log import configure_logging
from davserver.output import print_line
from davserver.serving import Work
from davserver.session import Session, pass_session
from davserver.supervisor import Seat, Supervisor
from storage import key_file, key_register, migrations
from storage.certificates import read_certificate
from storage.config import load_config
from storage.identity import accounts
from storage.sections import ServerConfig
from storage.store import prepare_embedded


def _check_descriptor(
    _ctx: click.Context, _option: click.Parameter, number: int | None
) -> int | None:
    if number is not None:
        try:
            os.fstat(number)
        except OSError:
            raise click.BadParameter(f"no file descriptor {number} is open.") from None
    return number


@click.command()
@click.option(
    "--workers",
    type=click.IntRange(min=1, max=256),
    metavar="N",
    help="How many processes; 1 runs in this one, without a supervisor. Default: [server] workers.",
)
@click.option(
    "--once-ready-fd",
    type=click.IntRange(min=0),
    callback=_check_descriptor,
    metavar="N",
    help="Write a line to this file descriptor, and close it, once requests are answered.",
)
@pass_session
def serve(session: Session, workers: int | None, once_ready_fd: int | None) -> None:
    """Start the server; the embedded default makes all it needs by itself."""
    config = session.config
    prepare_embedded(config)
    _refuse_early(session)
    count = workers or config.server.workers or len(os.sched_getaffinity(0))
    listeners = open_listeners(config.server, count)
    ready = None if once_ready_fd is None else os.fdopen(once_ready_fd, "w")

    def announce() -> None:
        # Only now: secrets must not be made for a start that fails before showing them.
        _greet(session, listeners[0])
        if ready is not None:
            with ready:
                ready.write("ready\n")

    def reload_settings() -> None:
        configure_logging(load_config(session.config_path).log)

    def check_reload() -> None:
        _check_certificate(config.server)
        reload_settings()

    work = Work(config, Board(count), reload_settings, is_alone=count == 1)
    if count == 1:
        work(Seat(0, listeners[0], announce))
        return

    def work_in_a_fork(seat: Seat) -> None:
        if ready is not None:
            ready.close()  # who waits for its end must not wait for ours
        work(seat)

    status = Supervisor(
        listeners,
        work_in_a_fork,
        grace_seconds=config.server.grace_seconds,
        on_ready=announce,
        check_reload=check_reload,
    ).run()
    click.get_current_context().exit(status)


def _refuse_early(session: Session) -> None:
    """Refuse what every worker would refuse, once and with one sentence."""
    keyring = key_file.load_keyring(session.config.secrets_in_use)
    _check_certificate(session.config.server)
    with session.database() as database:
        migrations.require_current(database)
        key_register.register(database, keyring)


def _check_certificate(config: ServerConfig) -> None:
    if config.tls_certificate is not None and config.tls_key is not None:
        read_certificate(config.tls_certificate, config.tls_key)


def _greet(session: Session, listener: socket.socket) -> None:
    config = session.config
    address = listener.getsockname()
    port = address[1] if isinstance(address, tuple) else config.server.port
    base_url = config.server.model_copy(update={"port": port}).base_url
    print_line(f"davserver answers at {base_url}/ (stop it with Ctrl-C)")
    print_line(f"WebDAV clients connect to {base_url}/dav/files/ (rclone: …/dav/files/account)")
    print_line()
    with session.database() as database:
        first_keys = make_first_keys(database) if config.is_embedded else None
        opened = [] if first_keys else database.read(accounts.list_accounts)
    if first_keys is None:
        _say_how_to_go_on(session, [account.name for account in opened])
    else:
        _show_first_keys(first_keys, base_url)


def _show_first_keys(first_keys: FirstKeys, base_url: str) -> None:
    print_line("First start: an account was opened. These passwords are shown only now; keep them.")
    print_line(f"  account   {first_keys.account}")
    print_line(f"  owner     {first_keys.email}")
    print_line(f"  password  {first_keys.password}")
    print_line(f"  device    {first_keys.device_secret}")
    print_line()
    print_line(f"Try:  curl {base_url}/readyz")


def _say_how_to_go_on(session: Session, names: list[str]) -> None:
    path = session.config_path
    program = f"davserver --config {shlex.quote(str(path))}" if path else "davserver"
    if not names:
        print_line("There is no account yet. Open one:")
        print_line(f"  {program} account create NAME --owner EMAIL")
        return
    name = shlex.quote(names[0]) if len(names) == 1 else "NAME"
    print_line("Passwords are shown only once. For a new device:")
    print_line(f"  {program} device issue --account {name} --label LABEL")
