"""One structured line for each request and each refusal, with nothing in it as the client sent it.

Stock cheroot has no access log, and the framework above writes decoded paths raw, so that `%0d%0a`
forges lines. Test: tests/davserver/http/test_access_log.py.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass

_LOG = logging.getLogger("davserver.http.access")
_LONGEST_PATH = 512


@dataclass(frozen=True, slots=True)
class Served:
    """What is worth knowing of one request, once it is over."""

    request_id: str
    address: str
    method: str
    status: int
    device_id: str | None = None
    path: str | None = None
    bytes_in: int = 0
    bytes_out: int = 0
    milliseconds: float = 0.0
    was_cut: bool = False


class AccessLog:
    """Writes the lines. `is_on` spares the work of making them when nobody listens for requests."""

    @property
    def is_on(self) -> bool:
        """Whether the logger takes these lines at all."""
        return _LOG.isEnabledFor(logging.INFO)

    def write(self, served: Served) -> None:
        """Write one line; the fields travel as the record's attributes."""
        fields = asdict(served)
        fields["path"] = None if served.path is None else printable(served.path)
        _LOG.info("request", extra=fields)


def log_refusal(
    reason: str, *, address: str | None, request_id: str | None = None, status: int | None = None
) -> None:
    """Write the one line of a refusal; deploy/fail2ban reads it, so its words stay as they are.

    `address` is the client's; None when only a proxy's is known, which must not be banned for it.
    """
    said = {"reason": reason, "address": address, "request_id": request_id, "status": status}
    extra = {name: value for name, value in said.items() if value is not None}
    _LOG.warning("refused", extra=extra)


def printable(text: str) -> str:
    """Return `text` cut to a bearable length, with all that could forge or hide a line escaped."""
    if len(text) > _LONGEST_PATH:
        text = text[:_LONGEST_PATH] + "…"
    if text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    if character in ('"', "\\"):
        return "\\" + character
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode("ascii")
