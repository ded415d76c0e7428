"""One worker: opens the store, serves its socket until told to stop. Runs after the fork."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass

from davserver.dav.app import make_dav
from davserver.front import make_front
from davserver.http.access_log import AccessLog
from davserver.http.metrics import Board
from davserver.http.server import HttpServer
from davserver.orders import taking_orders
from davserver.supervisor import Seat
from storage.config import Config
from storage.store import open_store


@dataclass(frozen=True, slots=True)
class Work:
    """What all workers of one server share."""

    config: Config
    board: Board
    reload_settings: Callable[[], None]
    is_alone: bool

    def __call__(self, seat: Seat) -> None:
        """Serve `seat` until told to stop."""
        store = open_store(self.config)
        try:
            board = None if self.config.server.metrics == "off" else self.board
            server = HttpServer(
                make_front(
                    store,
                    board,
                    make_dav(store, self.config.dav, public_url=self.config.server.public_url),
                ),
                self.config.server,
                listener=seat.listener,
                cells=self.board.slot(seat.number),
                access_log=AccessLog(),
                multiprocess=not self.is_alone,
            )
            self._run(server, seat)
        finally:
            store.close()

    def _run(self, server: HttpServer, seat: Seat) -> None:
        def reload() -> None:
            server.reload_certificates()
            self.reload_settings()

        with taking_orders(stop=server.request_stop, reload=reload):
            server.prepare()
            # What exists by now lives as long as the process: collections need not look at it.
            gc.freeze()
            seat.say_ready()
            server.serve()
