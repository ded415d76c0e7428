"""A small application under our supervisor, for what the real one has no requests for yet.

Run as a program: `python -m tests.supervised KIND WORKERS GRACE_SECONDS`. It prints its port when
all workers are ready.
"""

from __future__ import annotations

import logging
import os
import sys
import threading

from davserver.http.listening import open_listeners
from davserver.http.server import HttpServer
from davserver.orders import taking_orders
from davserver.supervisor import Seat, Supervisor
from storage.errors import Misconfigured
from storage.sections import ServerConfig

DOWNLOAD_BYTES = 8 * 1024 * 1024


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/hold":
        threading.Event().wait(60)
    body = b"x" * DOWNLOAD_BYTES if path == "/download" else environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Length", str(len(body))), ("X-Worker", str(os.getpid()))])
    return [body]


def main() -> int:
    kind, workers, grace = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    settings = ServerConfig(port=0, grace_seconds=grace)
    listeners = open_listeners(settings, workers)

    def work(seat: Seat) -> None:
        if kind == "dying":
            os._exit(3)
        if kind == "refusing":
            raise Misconfigured("The part is broken.")
        server = HttpServer(application, settings, listener=seat.listener)
        with taking_orders(stop=server.request_stop, reload=lambda: None):
            server.prepare()
            seat.say_ready()
            server.serve()

    port = listeners[0].getsockname()[1]
    supervisor = Supervisor(
        listeners, work, grace_seconds=grace, on_ready=lambda: print(port, flush=True)
    )
    return supervisor.run()


if __name__ == "__main__":
    sys.exit(main())
