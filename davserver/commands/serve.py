"""`davserver serve`: the server."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import shlex
import signal
import threading
from collections.abc import Iterator

import click
from cheroot import wsgi
from cheroot.ssl.builtin import BuiltinSSLAdapter

from davserver.first_run import FirstKeys, make_first_keys
from davserver.front import make_front
from davserver.output import print_line
from davserver.session import Session, pass_session
from storage.certificates import read_certificate
from storage.errors import Misconfigured
from storage.identity import accounts
from storage.sections import ServerConfig
from storage.store import Store

logger = logging.getLogger(__name__)


class _Server(wsgi.Server):
    """The framework's server, with its troubles written to our log."""

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        """Log instead of writing to standard error."""
        logger.log(level, "%s", msg, exc_info=traceback)


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
    "--once-ready-fd",
    type=click.IntRange(min=0),
    callback=_check_descriptor,
    metavar="N",
    help="Write a line to this file descriptor, and close it, once requests are answered.",
)
@pass_session
def serve(session: Session, once_ready_fd: int | None) -> None:
    """Start the server; the embedded default makes all it needs by itself."""
    with session.store() as store:
        server = _bind(session.config.server, store)
        with _ending_when_told(server):
            # Only now, as secrets must not be made for a start that fails before showing them.
            is_embedded = session.config.is_embedded
            first_keys = make_first_keys(store.database) if is_embedded else None
            # Port 0 lets the system choose; what is printed must be what can be called.
            listening = session.config.server.model_copy(update={"port": server.bind_addr[1]})
            _greet(session, store, listening.base_url, first_keys)
            if once_ready_fd is not None:
                with os.fdopen(once_ready_fd, "w") as ready:
                    ready.write("ready\n")
            server.serve()


@contextlib.contextmanager
def _ending_when_told(server: _Server) -> Iterator[None]:
    """Stop the server on SIGTERM and Ctrl-C, finishing what is being answered.

    A handler that raises would do so in the middle of anything, and leave locks held for ever; so
    it only puts a word into a queue (the one kind that handlers may use) for a thread to act on.
    """
    told: queue.SimpleQueue[None] = queue.SimpleQueue()

    def stop() -> None:
        told.get()
        server.stop()

    stopper = threading.Thread(target=stop, name="stopper")
    stopper.start()
    former = {
        number: signal.signal(number, lambda *_: told.put(None))
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield
    finally:
        told.put(None)
        stopper.join()
        for number, handler in former.items():
            signal.signal(number, handler)


def _bind(config: ServerConfig, store: Store) -> _Server:
    server = _Server((config.host, config.port), make_front(store), server_name="davserver")
    if config.tls_certificate is not None and config.tls_key is not None:
        read_certificate(config.tls_certificate, config.tls_key)
        server.ssl_adapter = BuiltinSSLAdapter(str(config.tls_certificate), str(config.tls_key))
    try:
        server.prepare()
    except OSError:
        raise Misconfigured(
            f"Port {config.port} of {config.host} can't be listened on: another program may have "
            "it. Stop that one, or set [server] port."
        ) from None
    return server


def _greet(session: Session, store: Store, base_url: str, first_keys: FirstKeys | None) -> None:
    print_line(f"davserver answers at {base_url}/ (stop it with Ctrl-C)")
    print_line("This version has the foundation only: the drive and its pages come next.")
    print_line()
    if first_keys is None:
        _say_how_to_go_on(session, store)
        return
    print_line("First start: an account was opened. These passwords are shown only now; keep them.")
    print_line(f"  account   {first_keys.account}")
    print_line(f"  owner     {first_keys.email}")
    print_line(f"  password  {first_keys.password}")
    print_line(f"  device    {first_keys.device_secret}")
    print_line()
    print_line(f"Try:  curl {base_url}/readyz")


def _say_how_to_go_on(session: Session, store: Store) -> None:
    path = session.config_path
    program = f"davserver --config {shlex.quote(str(path))}" if path else "davserver"
    opened = store.database.read(accounts.list_accounts)
    if not opened:
        print_line("There is no account yet. Open one:")
        print_line(f"  {program} account create NAME --owner EMAIL")
        return
    name = shlex.quote(opened[0].name) if len(opened) == 1 else "NAME"
    print_line("Passwords are shown only once. For a new device:")
    print_line(f"  {program} device issue --account {name} --label LABEL")
