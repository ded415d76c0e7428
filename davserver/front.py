"""Which room a path leads to. What has no room yet is 404, not a promise.

`/healthz` says that this process answers; `/readyz` that what it stands on answers too.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from davserver.log import request_context
from storage.errors import StoreError
from storage.randomness import RandomBytes, new_request_id, system_random
from storage.store import Store

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

logger = logging.getLogger(__name__)

_HEADERS = [
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Cache-Control", "no-store"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
]
_WELCOME = """davserver is running.

/healthz  this process answers
/readyz   its database and blob store answer too

The drive and its pages are not part of this version yet.
"""

Answer = tuple[str, str, str]  # status, content type, body


def make_front(store: Store, *, random: RandomBytes = system_random) -> WSGIApplication:
    """Return the WSGI application that stands before all rooms."""
    rooms: dict[str, Callable[[], Answer]] = {
        "/": lambda: ("200 OK", "text/plain; charset=utf-8", _WELCOME),
        "/healthz": lambda: _report("200 OK", status="alive"),
        "/readyz": lambda: _readiness(store),
    }

    def front(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request_id = new_request_id(random)
        with request_context(request_id):
            status, content_type, text = _answer(environ, rooms, request_id)
        body = text.encode()
        headers = [
            ("Content-Type", content_type),
            ("Content-Length", str(len(body))),
            ("X-Request-Id", request_id),
            *_HEADERS,
        ]
        if status.startswith("405"):
            headers.append(("Allow", "GET, HEAD"))
        start_response(status, headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    return front


def _answer(
    environ: WSGIEnvironment, rooms: dict[str, Callable[[], Answer]], request_id: str
) -> Answer:
    room = rooms.get(environ.get("PATH_INFO", ""))
    if room is None:
        return "404 Not Found", "text/plain; charset=utf-8", "There is nothing here.\n"
    if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
        return "405 Method Not Allowed", "text/plain; charset=utf-8", "Only GET and HEAD.\n"
    try:
        return room()
    except Exception:
        logger.exception("a request failed")
        words = f"Something went wrong here. Reference: {request_id}\n"
        return "500 Internal Server Error", "text/plain; charset=utf-8", words


def _readiness(store: Store) -> Answer:
    states = {
        "database": _state_of("database", store.check_database),
        "blobs": _state_of("blobs", store.blobs.check),
    }
    if all(state == "ok" for state in states.values()):
        return _report("200 OK", status="ready", **states)
    return _report("503 Service Unavailable", status="not ready", **states)


def _state_of(part: str, look: Callable[[], object]) -> str:
    try:
        look()
    except StoreError as error:
        logger.warning("%s is not ready: %s", part, error.message)
        return "away"
    except Exception:
        logger.exception("%s is not ready", part)
        return "away"
    return "ok"


def _report(status_line: str, /, **values: str) -> Answer:
    return status_line, "application/json", json.dumps(values) + "\n"
