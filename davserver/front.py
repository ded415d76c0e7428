"""Which room a path leads to. What has no room yet is 404, not a promise.

`/healthz` says that this process answers; `/readyz` that what it stands on answers too;
`/metrics` is for programs on this machine only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from davserver.http.metrics import Board, metrics_text
from davserver.log import request_context
from davserver.readiness import Readiness
from storage.store import Store

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication

_WELCOME = b"""davserver is running.

/dav/files/  your files, for WebDAV clients: sign in with a device's password
/healthz     this process answers
/readyz      its database and blob store answer too
"""
_TEXT = "text/plain; charset=utf-8"
_METRICS = "text/plain; version=0.0.4; charset=utf-8"

Environ = dict[str, Any]  # Any: PEP 3333 leaves the values to the key


@dataclass(frozen=True, slots=True)
class Answer:
    """What a room says to a GET."""

    body: bytes
    status: str = "200 OK"
    content_type: str = _TEXT


_NOTHING = Answer(b"There is nothing here.\n", "404 Not Found")
_WRONG_METHOD = Answer(b"Only GET and HEAD.\n", "405 Method Not Allowed")

Room = Callable[[Environ], Answer]


def make_front(store: Store, board: Board | None, dav: WSGIApplication) -> WSGIApplication:
    """Return the WSGI application that stands before all rooms.

    `board` holds the numbers of all workers; without one there is no `/metrics`. `dav` has all at
    and below `/dav`, and the top for every method but a browser's: Windows walks down from there.
    """
    readiness = Readiness(store)
    rooms: dict[str, Room] = {
        "/": lambda _environ: Answer(_WELCOME),
        "/healthz": lambda _environ: _report("200 OK", status="alive"),
        "/readyz": lambda _environ: _ready(readiness),
    }
    if board is not None:
        rooms["/metrics"] = lambda environ: _metrics(environ, board)

    def front(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        request_id = environ["davserver.request_id"]
        with request_context(request_id):
            if _is_dav(environ):
                return dav(environ, _naming(request_id, start_response))
            answer = _answer(environ, rooms)
        headers = [
            ("Content-Type", answer.content_type),
            ("Content-Length", str(len(answer.body))),
            ("Cache-Control", "no-store"),
            ("X-Request-Id", request_id),
        ]
        if answer is _WRONG_METHOD:
            headers.append(("Allow", "GET, HEAD"))
        start_response(answer.status, headers)
        return [answer.body]

    return front


def _is_dav(environ: Environ) -> bool:
    path = environ["davserver.path"]
    if path == "/":
        return environ["REQUEST_METHOD"] not in ("GET", "HEAD")
    return path in ("/dav", "*") or path.startswith("/dav/")


def _naming(request_id: str, start_response: StartResponse) -> StartResponse:
    """Return a start_response that adds the request's name, and keeps answers out of caches."""

    def start(
        status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Any:  # Any: PEP 3333's
        ours = [("X-Request-Id", request_id)]
        if not any(name == "Cache-Control" for name, _ in headers):
            ours.append(("Cache-Control", "no-store"))  # Zotero reads right after a 404
        return start_response(status, [*headers, *ours], exc_info)

    return start


def _answer(environ: Environ, rooms: dict[str, Room]) -> Answer:
    room = rooms.get(environ["davserver.path"])
    if room is None:
        return _NOTHING
    if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
        return _WRONG_METHOD
    return room(environ)


def _ready(readiness: Readiness) -> Answer:
    states = readiness.states()
    if all(state == "ok" for state in states.values()):
        return _report("200 OK", status="ready", **states)
    return _report("503 Service Unavailable", status="not ready", **states)


def _metrics(environ: Environ, board: Board) -> Answer:
    # A proxy on this machine is a loopback peer too. Whoever came through one shows by its
    # headers, believed or not, or by an address that a trusted one gave.
    is_local = (
        not environ["davserver.is_forwarded"]
        and _is_loopback(environ["davserver.peer"])
        and _is_loopback(environ["REMOTE_ADDR"])
    )
    return Answer(metrics_text(board), content_type=_METRICS) if is_local else _NOTHING


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _report(status_line: str, /, **values: str) -> Answer:
    body = (json.dumps(values) + "\n").encode()
    return Answer(body, status_line, "application/json")
