"""The framework's request server with our methods: one file for each, called by one table.

Stock WsgiDAV's own bodies lose data in ways that reference notes and tests name one by one; what
is kept of it is the frame: an application, a provider, and a server object for each request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from wsgidav.request_server import RequestServer  # type: ignore[import-untyped]

from davserver.dav import (
    copymove,
    delete,
    get,
    locking,
    mkcol,
    options,
    patch,
    propfind,
    proppatching,
    put,
    report,
)
from davserver.dav.door import Answer, Environ, Request
from davserver.dav.errors import Refusal, status_line
from davserver.http.file_body import FileBody

if TYPE_CHECKING:
    from wsgiref.types import StartResponse

METHODS: dict[str, Callable[[Request], Answer]] = {
    "COPY": copymove.answer,
    "DELETE": delete.answer,
    "GET": get.answer,
    "HEAD": get.answer,
    "LOCK": locking.answer_lock,
    "MKCOL": mkcol.answer,
    "MOVE": copymove.answer,
    "OPTIONS": options.answer,
    "PATCH": patch.answer,
    "PROPFIND": propfind.answer,
    "PROPPATCH": proppatching.answer,
    "PUT": put.answer,
    "REPORT": report.answer,
    "UNLOCK": locking.answer_unlock,
}

REQUEST_KEY = "davserver.request"
"""Where the resolver leaves the `Request` in the environ."""


class DriveRequestServer(RequestServer):  # type: ignore[misc] # wsgidav has no types
    """Answers one request by the method's own file."""

    def __init__(self, provider: Any) -> None:  # Any: wsgidav's, which has no types
        super().__init__(provider)
        self._possible_methods = list(METHODS)

    def __call__(
        self, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes] | FileBody:
        """Answer; not a generator, so that refusals come before anything was sent."""
        request: Request = environ[REQUEST_KEY]
        handler = METHODS.get(request.method)
        if handler is None:
            allowed = options.allowed_methods(request.place)
            raise Refusal(405, "This can't be done here.", headers=(("Allow", allowed),))
        return send(handler(request), start_response)


def send(answer: Answer, start_response: StartResponse) -> Iterable[bytes] | FileBody:
    """Start the response and return its body."""
    headers = answer.headers
    body = answer.body
    if isinstance(body, bytes):
        if not any(name == "Content-Length" for name, _ in headers):
            headers = [*headers, ("Content-Length", str(len(body)))]
        body = [body] if body else []
    start_response(status_line(answer.status), headers)
    return body
