"""OPTIONS, everywhere a device may look: Windows asks at the top, GVFS climbs up to it."""

from __future__ import annotations

from davserver.dav.door import Answer, Request
from davserver.dav.places import Level, Place, UploadPlace
from davserver.dav.quirks import OPTIONS_HEADERS

_READING = ("OPTIONS", "GET", "HEAD", "PROPFIND", "REPORT")
_WRITING = ("PUT", "DELETE", "COPY", "MOVE", "MKCOL", "PROPPATCH", "LOCK", "UNLOCK")


def allowed_methods(place: Place) -> str:
    """Return the value of `Allow` for a place."""
    if isinstance(place, Level):
        return ", ".join(_READING)
    if isinstance(place, UploadPlace):
        return "OPTIONS, PROPFIND, PUT, MKCOL, DELETE, MOVE"
    return ", ".join(_READING + _WRITING)


def answer(request: Request) -> Answer:
    """Answer an OPTIONS: what can be done here, and which classes of WebDAV are spoken."""
    return Answer(
        200,
        [("Allow", allowed_methods(request.place)), *OPTIONS_HEADERS, ("Accept-Ranges", "bytes")],
    )


def allowed_everywhere() -> str:
    """Return the value of `Allow` where the place is not known."""
    return ", ".join(_READING + _WRITING)


def answer_for_server() -> Answer:
    """Answer `OPTIONS *`, which is about the server and so nobody's secret (RFC 9110 §9.3.7)."""
    return Answer(200, [("Allow", allowed_everywhere()), *OPTIONS_HEADERS])
