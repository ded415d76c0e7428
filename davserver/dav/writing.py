"""What PUT, parts of uploads, COPY and MOVE share: what is announced, and what is answered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from davserver.dav.checksums import parse_checksums
from davserver.dav.door import Answer, Headers, Request
from davserver.dav.headers import parse_length
from davserver.dav.times import http_date, parse_seconds
from storage.drive.nodes import Node
from storage.drive.uploads import Wanted
from storage.errors import Incomplete


class BodySource:
    """The request's body as the drive reads it."""

    def __init__(self, request: Request) -> None:
        self._request = request

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes; b"" at the end only. Raises Incomplete."""
        return self._request.read(size)


def written(node: Node, *, is_new: bool, mtime: datetime | None) -> Answer:
    """Return the answer to whatever has put a node in its place; its body stays empty.

    Finder reads it into 4 KiB, sync clients want tag and id (clients.md's rows 5, 10).
    """
    headers: Headers = [
        ("Last-Modified", http_date(node.mtime)),
        ("ETag", f'"{node.etag}"'),
        ("OC-ETag", f'"{node.etag}"'),
        ("OC-FileId", f"{node.id:08d}davserver"),
    ]
    if mtime is not None:
        headers.append(("X-OC-Mtime", "accepted"))
    return Answer(201 if is_new else 204, headers)


def announced_length(request: Request) -> int | None:
    """Return how many bytes the client says will come; None when it does not say.

    Finder sends chunks and says it in a header of its own. Raises Invalid, and Incomplete when it
    says two different things.
    """
    said = {
        length
        for header, text in (
            ("Content-Length", request.environ.get("CONTENT_LENGTH") or None),
            ("X-Expected-Entity-Length", request.header("X_EXPECTED_ENTITY_LENGTH")),
        )
        if (length := parse_length(text, header=header)) is not None
    }
    if len(said) > 1:
        raise Incomplete("The request announces two different lengths.")
    return said.pop() if said else None


def wanted_of(request: Request, *, length: int | None) -> Wanted:
    """Return what the body must be like in the end. Raises Invalid for a malformed checksum."""
    return Wanted(
        size=length,
        checksums=_checksums(request),
        largest=request.door.settings.max_upload_bytes,
    )


def _checksums(request: Request) -> Mapping[str, bytes]:
    asked = parse_checksums(request.header("OC_CHECKSUM"))
    return {algorithm.value: bytes.fromhex(text) for algorithm, text in asked.items()}


def asked_mtime(request: Request) -> datetime | None:
    """Return the time of change that the client gives; nonsense is none (X-OC-Mtime)."""
    return parse_seconds(request.header("X_OC_MTIME"))
