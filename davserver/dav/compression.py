"""gzip for XML answers, which shrink to a tenth; never for files, whose ranges count bytes."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator

WORTH_BYTES = 1024
"""Below this the header of gzip and the time for it are not earned back."""

_GZIP = 31  # zlib's way to ask for gzip framing with the widest window
_FASTEST = 1
_CODING = re.compile(r"\s*(?P<name>[A-Za-z*-]+)\s*(?:;\s*q\s*=\s*(?P<weight>[0-9.]{1,5})\s*)?")


def accepts_gzip(value: str | None) -> bool:
    """Tell whether `Accept-Encoding` takes gzip (RFC 9110 §12.5.3)."""
    weights: dict[str, bool] = {}
    for wish in (value or "").split(","):
        found = _CODING.fullmatch(wish)
        if found is not None:
            weights[found["name"].lower()] = (found["weight"] or "1").strip("0.") != ""
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", False)))


def gzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Compress a body as it is made."""
    packer = zlib.compressobj(_FASTEST, zlib.DEFLATED, _GZIP)
    for piece in pieces:
        if packed := packer.compress(piece):
            yield packed
    yield packer.flush()
