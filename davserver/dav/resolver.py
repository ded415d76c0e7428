"""From a request that was let in to the server that answers it: the last step of the frame."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from davserver.dav.door import Door, Environ, Request
from davserver.dav.gate import actor_of, require_scope
from davserver.dav.places import Level, place_of
from davserver.dav.request_server import REQUEST_KEY, DriveRequestServer
from davserver.http.file_body import FileBody
from storage.identity.signin import SignedIn

if TYPE_CHECKING:
    from wsgiref.types import StartResponse


class Resolver:
    """Finds the place that a URL names and hands the request to a server of its own."""

    def __init__(self, door: Door, provider: Any) -> None:  # Any: wsgidav's, which has no types
        self._door = door
        self._provider = provider

    def __call__(
        self, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes] | FileBody:
        """Answer. Raises NotAllowed before NotFound: a right that lacks tells of no resource."""
        signed_in: SignedIn = environ["davserver.signed_in"]
        require_scope(signed_in.principal, environ["REQUEST_METHOD"])
        place = place_of(environ["davserver.path"], signed_in.principal)
        request = Request(
            self._door, environ, signed_in, actor_of(environ, signed_in.principal), place
        )
        if not isinstance(place, Level):
            request.own_tree  # noqa: B018 (found now, while no transaction is open)
        environ[REQUEST_KEY] = request
        return DriveRequestServer(self._provider)(environ, start_response)
