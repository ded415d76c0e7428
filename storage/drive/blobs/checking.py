"""What every home compares before and after it opens a blob, so that all refuse alike.

A key becomes a file's or an object's name: whatever is no key of ours must never reach one.
Called by each home.
"""

from __future__ import annotations

import logging
import re

from storage.drive.blobs import BlobRef
from storage.errors import Invalid, NotFound, Unavailable

logger = logging.getLogger(__name__)

KEY = re.compile(r"[0-9a-f]{32}")

_MENDED_BY_HAND_SECONDS = 3600


def is_key(text: str) -> bool:
    """Whether this is a key that a home of ours may have given."""
    return KEY.fullmatch(text) is not None


def check_key(key: str) -> None:
    """Raise NotFound for what can't be the key of any blob."""
    if not is_key(key):
        raise NotFound("There is no such blob.")


def check_range(start: int, length: int | None) -> None:
    """Raise Invalid for a range that begins or ends before the blob does."""
    if start < 0:
        raise Invalid("A range can't begin before the first byte.", field="start")
    if length is not None and length < 0:
        raise Invalid("A range can't have fewer than no bytes.", field="length")


def check_stored_size(ref: BlobRef, stored_size: int) -> None:
    """Raise Unavailable when other than `ref.size` bytes are stored, and log which blob it is.

    Bytes that were lost must not pass for the end of the file: the client would keep the rest.
    """
    if stored_size != ref.size:
        logger.error(
            "Blob %s is damaged: %d bytes are stored, %d were put.", ref.key, stored_size, ref.size
        )
        raise Unavailable(
            "A stored file is damaged; the server's log says which.",
            retry_after_seconds=_MENDED_BY_HAND_SECONDS,
        )
