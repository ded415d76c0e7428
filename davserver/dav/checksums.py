"""Checksums in headers and properties: `OC-Checksum`, `oc:checksums`, RFC 9530 digests.

We know MD5, SHA-1 and SHA-256. Values are lower-case hex on the inside; each header's own form is
met at its edge.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from enum import StrEnum

from storage.errors import Invalid


class Algorithm(StrEnum):
    """A hash that is kept for every blob, in the spelling of hashlib."""

    SHA1 = "sha1"
    MD5 = "md5"
    SHA256 = "sha256"


_HEX_LENGTHS = {Algorithm.SHA1: 40, Algorithm.MD5: 32, Algorithm.SHA256: 64}
_HEX = re.compile(r"[0-9a-f]+")
_LONGEST_HEADER = 1024
# RFC 9530 §5: `sha-256`; RFC 3230 clients ask for `SHA` and `MD5` too, RFC 9530 ones may.
_DIGEST_NAMES = {"sha-256": Algorithm.SHA256, "sha": Algorithm.SHA1, "md5": Algorithm.MD5}
_DIGEST_LABELS = {algorithm: name for name, algorithm in _DIGEST_NAMES.items()}
_WEIGHT = re.compile(r"[0-9](?:\.[0-9]{1,3})?|10")


def parse_checksums(value: str | None) -> dict[Algorithm, str]:
    """Read `OC-Checksum: SHA1:2fd4… MD5:9e10…`; what we don't compute (ADLER32) is left out.

    Raises Invalid when a hash that we do compute is malformed, or given twice and differently:
    the client asked for a check, and storing without one would be a lie.
    """
    found: dict[Algorithm, str] = {}
    for word in (value or "")[:_LONGEST_HEADER].replace(",", " ").split():
        name, _, text = word.partition(":")
        algorithm = _algorithm(name)
        if algorithm is None:
            continue
        digest = text.lower()
        if len(digest) != _HEX_LENGTHS[algorithm] or _HEX.fullmatch(digest) is None:
            raise Invalid(f"OC-Checksum holds a malformed {name}.", field="OC-Checksum")
        if found.setdefault(algorithm, digest) != digest:
            raise Invalid(f"OC-Checksum holds two different {name}.", field="OC-Checksum")
    return found


def _algorithm(name: str) -> Algorithm | None:
    try:
        return Algorithm(name.lower().replace("-", ""))
    except ValueError:
        return None


def render_checksums(
    *, sha1: bytes | None = None, md5: bytes | None = None, sha256: bytes | None = None
) -> str:
    """Return the text of `oc:checksum`: `SHA1:… MD5:… SHA256:…`, without those that are unknown.

    rclone reads one text with all of them (rclone/rclone:backend/webdav/api/types.go).
    """
    known = (("SHA1", sha1), ("MD5", md5), ("SHA256", sha256))
    return " ".join(f"{name}:{digest.hex()}" for name, digest in known if digest is not None)


def wanted_digest(
    want_repr_digest: str | None, want_digest: str | None
) -> tuple[str, Algorithm] | None:
    """Return the response header to send and its algorithm; None when nothing fit is wanted.

    `Want-Repr-Digest: sha-256=10, sha=3` (RFC 9530 §4, weights 0–10) goes before the older
    `Want-Digest: SHA-256;q=1, md5;q=0.3` (RFC 3230).
    """
    for header, value, mark in (
        ("Repr-Digest", want_repr_digest, "="),
        ("Digest", want_digest, ";"),
    ):
        if best := _heaviest(value or "", mark):
            return header, best
    return None


def _heaviest(value: str, mark: str) -> Algorithm | None:
    best: Algorithm | None = None
    best_weight = 0.0
    for wish in value[:_LONGEST_HEADER].split(","):
        name, _, weight_text = wish.partition(mark)
        weight_text = weight_text.strip().removeprefix("q=").strip() or "1"
        algorithm = _DIGEST_NAMES.get(name.strip().lower())
        if algorithm is None or _WEIGHT.fullmatch(weight_text) is None:
            continue
        if float(weight_text) > best_weight:
            best, best_weight = algorithm, float(weight_text)
    return best


def render_digest(header: str, algorithm: Algorithm, digests: Mapping[Algorithm, bytes]) -> str:
    """Return the value of `Repr-Digest` (`sha-256=:…:`) or `Digest` (`SHA-256=…`)."""
    text = base64.b64encode(digests[algorithm]).decode("ascii")
    label = _DIGEST_LABELS[algorithm]
    return f"{label}=:{text}:" if header == "Repr-Digest" else f"{label.upper()}={text}"
