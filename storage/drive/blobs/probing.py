"""The check that every home of bytes can make of itself: put a probe, read it back, delete it.

What a failure means for the set-up is the home's business. Called by each home's `check`.
"""

from __future__ import annotations

from io import BytesIO

from storage.drive.blobs import BlobStore
from storage.errors import Unavailable

_PROBE = b"A probe of davserver; it may be deleted at any time.\n"


def probe(blobs: BlobStore) -> None:
    """Put, read and delete a small blob. Raises whatever those raise."""
    ref = blobs.put(BytesIO(_PROBE), expected_size=len(_PROBE))
    try:
        reader = blobs.open(ref)
        try:
            found = reader.read(len(_PROBE) + 1)
        finally:
            reader.close()
    finally:
        blobs.delete(ref.key)
    if found != _PROBE:
        raise Unavailable("The blob store gave back other bytes than were put into it.")
