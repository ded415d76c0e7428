"""How the HTTP floor says no, before the application is asked and while it reads a body.

A body's errors are all `storage.errors.Incomplete`, so whoever reads a body and knows nothing of
HTTP still can't take a torn one for a whole one.
"""

from __future__ import annotations

from storage.errors import Incomplete

REASONS = {
    400: "Bad Request",
    408: "Request Timeout",
    413: "Content Too Large",
    414: "URI Too Long",
    417: "Expectation Failed",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
}


class Refused(Exception):
    """A request answered by the floor itself, after which the connection closes.

    `kind` is one of few fixed words and becomes a metric's label; `sentence` is for the person.
    """

    def __init__(self, status: int, kind: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.kind = kind
        self.sentence = sentence


class BrokenBody(Incomplete):
    """The root of what can go wrong with a body on its way in; never raised itself."""

    status = 400
    kind = "body"


class BodyCutShort(BrokenBody):
    """The peer went away before the end that it had announced."""

    kind = "body-cut-short"


class BodyTooSlow(BrokenBody):
    """The body stopped, or crept below the minimum rate."""

    status = 408
    kind = "body-too-slow"


class BodyMalformed(BrokenBody):
    """The chunked framing is broken, so nobody can say where the body ends."""

    kind = "body-malformed"


class BodyTooLarge(BrokenBody):
    """More bytes than this request may bring."""

    status = 413
    kind = "body-too-large"
