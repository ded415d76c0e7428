"""Byte ranges: reading `Range`, and the frame of a multipart answer (RFC 9110 §14).

What can't be understood is ignored, as the RFC wants; what is understood but lies outside is 416.
Overlapping ranges are joined, so an answer is never longer than the file and a little framing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

_MOST_RANGES = 64
_BREAK = "\r\n"
# Below this distance one longer part costs less than the frame of a second.
_WORTH_A_GAP = 80
_SPEC = re.compile(r"(?P<first>[0-9]{0,19})-(?P<last>[0-9]{0,19})")


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes from `first` to `last`, both included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """The number of bytes."""
        return self.last - self.first + 1

    def content_range(self, size: int) -> str:
        """Return the value of `Content-Range` for a file of `size` bytes."""
        return f"bytes {self.first}-{self.last}/{size}"


class Unsatisfiable(Exception):
    """Raised when none of the ranges touches the file: 416 with `content_range`."""

    def __init__(self, size: int) -> None:
        super().__init__("No asked range lies within the file.")
        self.content_range = f"bytes */{size}"


def parse_range(value: str | None, size: int) -> tuple[Span, ...]:
    """Return the spans to send, in the order asked; empty: send the whole file with 200.

    Raises Unsatisfiable. An empty file has no bytes to name, so for it every range is ignored:
    clients that put a Range on every GET would otherwise fail on it.
    """
    specs = _specs(value)
    if not specs or size == 0:
        return ()
    spans = [span for spec in specs if (span := _span(*spec, size)) is not None]
    if not spans:
        raise Unsatisfiable(size)
    return tuple(_joined(spans))


def _specs(value: str | None) -> list[tuple[str, str]]:
    unit, equals, listed = (value or "").partition("=")
    if not equals or unit.strip().lower() != "bytes":
        return []
    specs = []
    for text in listed.split(",", _MOST_RANGES + 1):
        if not text.strip():
            continue
        found = _SPEC.fullmatch(text.strip())
        if found is None or not _makes_sense(found["first"], found["last"]):
            return []
        specs.append((found["first"], found["last"]))
    # RFC 9110 §14.2 lets a server ignore what looks like an attack.
    return specs if len(specs) <= _MOST_RANGES else []


def _makes_sense(first: str, last: str) -> bool:
    if not first:
        return bool(last)
    return not last or int(first) <= int(last)


def _span(first: str, last: str, size: int) -> Span | None:
    if not first:
        length = min(int(last), size)
        return Span(size - length, size - 1) if length else None
    if int(first) >= size:
        return None
    return Span(int(first), min(int(last), size - 1) if last else size - 1)


def _joined(spans: list[Span]) -> list[Span]:
    """Join what overlaps or nearly touches; keep the asked order when nothing does (§15.3.7.2)."""
    ascending = sorted(spans, key=lambda span: (span.first, span.last))
    if all(right.first - left.last > _WORTH_A_GAP for left, right in pairwise(ascending)):
        return spans
    joined = ascending[:1]
    for span in ascending[1:]:
        if span.first - joined[-1].last > _WORTH_A_GAP:
            joined.append(span)
        else:
            joined[-1] = Span(joined[-1].first, max(joined[-1].last, span.last))
    return joined


@dataclass(frozen=True, slots=True)
class Multipart:
    """The frame of a `multipart/byteranges` body: what to write before each span, and last."""

    content_type: str
    parts: tuple[tuple[bytes, Span], ...]
    end: bytes

    @property
    def content_length(self) -> int:
        """The length of the whole body."""
        return sum(len(head) + span.length for head, span in self.parts) + len(self.end)


def frame_multipart(
    spans: tuple[Span, ...], *, size: int, content_type: str, boundary: str
) -> Multipart:
    """Return the frame for `spans` of a file (RFC 9110 §14.6).

    `boundary` must be random: a file's own bytes may not contain it.
    """
    parts = []
    for number, span in enumerate(spans):
        head = (
            f"{_BREAK if number else ''}--{boundary}\r\n"
            f"Content-Type: {content_type}\r\n"
            f"Content-Range: {span.content_range(size)}\r\n\r\n"
        )
        parts.append((head.encode("latin-1"), span))
    return Multipart(
        content_type=f"multipart/byteranges; boundary={boundary}",
        parts=tuple(parts),
        end=f"\r\n--{boundary}--\r\n".encode("latin-1"),
    )
