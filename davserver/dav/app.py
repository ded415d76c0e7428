"""The WebDAV door as a WSGI application: gate, resolver, methods; and every refusal as an answer.

WsgiDAV in library mode: no middleware of its own, no lock manager, no property manager. Its
`__call__` is replaced, as it ends keep-alive, loses replies and can't stream (tests in
tests/davserver/dav/test_app.py).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from wsgidav import util  # type: ignore[import-untyped]
from wsgidav.wsgidav_app import WsgiDAVApp  # type: ignore[import-untyped]

from davserver.dav import options
from davserver.dav.destination import encode_path
from davserver.dav.door import Answer, Door, Environ
from davserver.dav.errors import XML_TYPE, answer_for
from davserver.dav.gate import REALM, Gate
from davserver.dav.provider import DriveProvider
from davserver.dav.request_server import send
from davserver.dav.resolver import Resolver
from davserver.http.file_body import FileBody
from davserver.http.refusals import BrokenBody
from storage.errors import StoreError
from storage.sections import DavConfig
from storage.store import Store

if TYPE_CHECKING:
    from wsgiref.types import StartResponse

logger = logging.getLogger(__name__)


class DavApp(WsgiDAVApp):  # type: ignore[misc] # wsgidav has no types
    """Answers all at and below `/dav`, and what is asked of `/` by other methods than GET."""

    def __init__(self, door: Door, gate: Gate) -> None:
        provider = DriveProvider(door)
        super().__init__(
            {
                "provider_mapping": {"/": provider},
                "middleware_stack": [],
                "lock_storage": False,
                "property_manager": False,
                "logging": {"enable": False},
                "verbose": 0,
                "dir_browser": {"enable": False},
                # Its warning about Basic is not about us: the gate asks for TLS itself.
                "http_authenticator": {"accept_basic": False},
            }
        )
        util.public_wsgidav_info = ""
        self._gate = gate
        self._provider = provider
        self._resolver = Resolver(door, provider)

    def __call__(
        self, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes] | FileBody:
        """Answer one request; whatever is raised before the first byte becomes an answer."""
        environ["wsgidav.app"] = self
        environ["wsgidav.config"] = self.config
        environ["wsgidav.provider"] = self._provider
        environ["wsgidav.verbose"] = 0
        try:
            if environ["davserver.path"] == "*":
                return send(options.answer_for_server(), start_response)
            signed_in = self._gate.admit(environ)
            principal = signed_in.principal
            environ["davserver.signed_in"] = signed_in
            environ["davserver.device_id"] = str(principal.actor_id)
            # The framework's lock principal: every device is an owner of its own.
            environ["wsgidav.auth.user_name"] = f"device-{principal.actor_id}"
            return self._resolver(environ, start_response)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            return send(refuse(environ, error), start_response)


def make_dav(store: Store, settings: DavConfig, *, public_url: str | None = None) -> DavApp:
    """Return the WebDAV door over a store."""
    door = Door(store.database, store.blobs, settings, public_url)
    return DavApp(door, Gate(store.database, allows_plain_http=settings.allow_plain_http))


def refuse(environ: Environ, error: Exception) -> Answer:
    """Return the answer for what was raised."""
    path = environ["davserver.path"]
    base = _tree_base(path)
    answer = answer_for(
        error,
        method=environ["REQUEST_METHOD"],
        reference=environ["davserver.request_id"],
        realm=REALM,
        own_href=encode_path(path),
        href_of=lambda href: base + href,
    )
    if answer.status >= 500:
        _log(error, answer.status)
    status = error.status if isinstance(error, BrokenBody) else answer.status
    headers = [("Content-Type", XML_TYPE), *answer.headers]
    if status == 405 and not any(name == "Allow" for name, _ in headers):
        headers.append(("Allow", _allowed(environ)))
    return Answer(status, headers, answer.body)


def _allowed(environ: Environ) -> str:
    request = environ.get("davserver.request")
    if request is None:
        return options.allowed_everywhere()
    return options.allowed_methods(request.place)


def _tree_base(path: str) -> str:
    """Return the href of the tree's top: the drive names locks relative to it."""
    names = [name for name in path.split("/") if name]
    return encode_path("/" + "".join(f"{name}/" for name in names[:3]))


def _log(error: Exception, status: int) -> None:
    if isinstance(error, StoreError):
        logger.warning("answered %d: %s", status, error.message)
    else:
        logger.error("a request failed", exc_info=error)
