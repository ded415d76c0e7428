"""A 207 answer from responses: joined when short, streamed when long, packed when asked for."""

from __future__ import annotations

from collections.abc import Iterable

from davserver.dav.compression import WORTH_BYTES, accepts_gzip, gzipped
from davserver.dav.door import Answer, Headers, Request
from davserver.dav.errors import XML_TYPE
from davserver.dav.multistatus import Renderer, multistatus

STREAMED_FROM = 5000
"""Entries; shorter answers are joined, so that they have a Content-Length."""


def multistatus_answer(
    request: Request, renderer: Renderer, responses: Iterable[str], *, count: int, tail: str = ""
) -> Answer:
    """Return a 207 with these responses, packed and streamed where that pays."""
    headers: Headers = [("Content-Type", XML_TYPE), ("Vary", "Accept-Encoding, Prefer")]
    if applied := request.preferences.applied("return=minimal", "depth-noroot"):
        headers.append(("Preference-Applied", applied))
    pieces = multistatus(renderer.prefixes, responses, tail=tail)
    packs = accepts_gzip(request.header("ACCEPT_ENCODING"))
    if count >= STREAMED_FROM:
        if packs:
            headers.append(("Content-Encoding", "gzip"))
        return Answer(207, headers, gzipped(pieces) if packs else pieces)
    body = b"".join(pieces)
    if packs and len(body) >= WORTH_BYTES:
        headers.append(("Content-Encoding", "gzip"))
        body = b"".join(gzipped([body]))
    return Answer(207, headers, body)
