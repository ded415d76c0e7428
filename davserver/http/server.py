"""The server: cheroot's, with every part above in its place.

A worker process makes one with its own listening socket (`listener=`), prepares it and serves. It
handles no signals: whoever runs the process calls `request_stop` and `reload_certificates`.
Tests: tests/davserver/http/test_server.py.
"""

from __future__ import annotations

import logging
import socket
import threading

from cheroot.wsgi import Server

from davserver.http.access_log import AccessLog
from davserver.http.connections import Connections
from davserver.http.listening import open_listener
from davserver.http.metrics import Board, Cells, Meter
from davserver.http.pool import WorkerPool
from davserver.http.service import Service, WsgiApp
from davserver.http.tls import TlsAdapter
from storage.sections import ServerConfig

_LOG = logging.getLogger("davserver.http")
_FAREWELL_SECONDS = 1.0


class HttpServer(Server):
    """One process's server for one WSGI application."""

    # Not super().__init__: it would make a thread pool and statistics that are not used.
    def __init__(
        self,
        app: WsgiApp,
        settings: ServerConfig,
        *,
        listener: socket.socket | None = None,
        cells: Cells | None = None,
        access_log: AccessLog | None = None,
        multiprocess: bool = False,
    ) -> None:
        self.settings = settings
        self.wsgi_app = app
        self.ssl_adapter: TlsAdapter | None = None
        if settings.tls_certificate is not None and settings.tls_key is not None:
            self.ssl_adapter = TlsAdapter(
                settings.tls_certificate, settings.tls_key, settings.tls_minimum
            )
        self.requests: WorkerPool = WorkerPool(
            self, least=settings.threads, most=settings.max_threads
        )
        self.service = Service(
            app=app,
            settings=settings,
            meter=Meter(Board(1).slot(0) if cells is None else cells),
            patience=self.requests,
            access_log=access_log,
            multiprocess=multiprocess,
        )
        self.stats = {"Enabled": False, "Worker Threads": {}}
        self._given_listener = listener
        self._interrupt = None
        self._serving: threading.Thread | None = None
        self._end_lock = threading.Lock()
        self._ended = threading.Event()

    def prepare(self) -> None:
        """Listen, and start the workers. Everything that must come after a fork is here."""
        listener = self._given_listener or open_listener(self.settings)
        listener.setblocking(False)
        self.socket = listener
        name = listener.getsockname()
        self.bind_addr = name[:2] if isinstance(name, tuple) else name
        if isinstance(name, tuple):
            self.service.server_name, self.service.server_port = str(name[0]), str(name[1])
        self.connections = Connections(self, listener)
        self._connections = self.connections
        self.requests.start()
        self.ready = True

    def serve(self) -> None:
        """Serve until told to stop; then drain, and return when all is over."""
        self._serving = threading.current_thread()
        while self.ready and not self._is_told_to_stop():
            try:
                self.connections.run()
            except Exception:  # noqa: BLE001 - one connection's misfortune must not end the others'
                _LOG.exception("serving-failed")
        self._end()

    def request_stop(self) -> None:
        """Begin to stop, and return at once. May be called from a signal handler."""
        self.service.is_draining = True
        if self.ready:
            self.connections.request_stop()

    def stop(self) -> None:
        """Stop: requests under way finish within the grace period, idle connections close."""
        self.request_stop()
        if self._serving is None or self._serving is threading.current_thread():
            self._end()
        else:
            self._ended.wait()

    def reload_certificates(self) -> None:
        """Read the certificate again for new connections. Raises Misconfigured."""
        if self.ssl_adapter is not None:
            self.ssl_adapter.reload()

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        """Write cheroot's own messages to our log instead of standard error."""
        _LOG.log(level, "cheroot", exc_info=traceback, extra={"detail": msg})

    def _is_told_to_stop(self) -> bool:
        return self.service.is_draining

    def _end(self) -> None:
        with self._end_lock:
            if not self.ready:
                return
            self.ready = False
            self.connections.drain(self.settings.grace_seconds)
            self.connections.close()
            self.requests.stop(_FAREWELL_SECONDS)
            if not any(worker.is_alive() for worker in self.requests.workers):
                self.connections.free()
            self.socket = None
            self._ended.set()
