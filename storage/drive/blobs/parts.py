"""Cuts a stream of bytes into parts for a multipart upload, and has a few of them sent at once.

Knows the limits that all S3 stores share, but talks to none. Called by `s3`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future, wait
from dataclasses import dataclass
from io import BytesIO
from typing import TypeVar

from storage.drive.blobs import CHUNK_BYTES, ByteSource
from storage.drive.blobs.patience import Patience
from storage.errors import OverQuota, Unavailable

Sent = TypeVar("Sent")

_MAX_PARTS = 10_000
_IN_FLIGHT_PARTS = 2  # and one being filled: an upload holds three in memory
_MIB = 1024 * 1024
_PLANNED_PARTS = 9_000
_PARTS_BEFORE_GROWTH = 4_000
_PARTS_PER_DOUBLING = 1_500


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes ready to be sent: `body` stands at its start."""

    number: int
    body: BytesIO
    size: int
    is_last: bool


def plan_part_sizes(part_bytes: int, expected_size: int | None) -> Iterator[int]:
    """Give the size of each part, the first one first.

    With an expected size all are equal, and large enough for it to fit in 9,000 of them. Without,
    they double from the 4,001st on, every 1,500 parts: parts of 8 MiB end at 128 MiB, and 380 GiB
    fit. Some stores (R2) want parts of one size; there a body of unknown length may have as many
    bytes as fit before the growth, 31 GiB in parts of 8 MiB.
    """
    if expected_size is not None:
        needed = -(-expected_size // _PLANNED_PARTS)
        size = max(part_bytes, -(-needed // _MIB) * _MIB)
        yield from (size for _ in range(_MAX_PARTS))
        return
    for index in range(_MAX_PARTS):
        beyond = index - _PARTS_BEFORE_GROWTH
        yield part_bytes * 2 ** max(0, beyond // _PARTS_PER_DOUBLING + 1)


def read_parts(source: ByteSource, sizes: Iterator[int]) -> Iterator[Part]:
    """Read `source` to its end, a part at a time; a source without bytes gives one empty part.

    Reads a little ahead, so that the last part is known as such. Raises OverQuota when the bytes
    don't fit into the sizes given.
    """
    ahead = b""
    for number, size in enumerate(sizes, start=1):
        body = BytesIO()
        filled = body.write(ahead)
        while filled < size and (chunk := source.read(min(CHUNK_BYTES, size - filled))):
            filled += body.write(chunk)
        ahead = source.read(min(CHUNK_BYTES, size)) if filled == size else b""
        body.seek(0)
        yield Part(number, body, filled, is_last=not ahead)
        if not ahead:
            return
        del body  # the caller has sent it by now; the next one needs the room
    raise OverQuota("The file is larger than the blob store can take.")


def send_parts(
    waiting: deque[Part],
    parts: Iterator[Part],
    send: Callable[[Part], Sent],
    senders: Executor,
    patience: Patience,
) -> list[Sent]:
    """Send the `waiting` parts, which it empties, then all others; return the answers in order.

    Whatever `parts` or `send` raises passes through, once no part is on its way any more: one that
    arrived after the upload was aborted would stay in the store, and be paid for. A part that
    waits for a free sender uses up patience as one does that is being sent.
    """
    answers: list[Sent] = []
    in_flight: deque[Future[Sent]] = deque()
    try:
        while part := waiting.popleft() if waiting else next(parts, None):
            if len(in_flight) == _IN_FLIGHT_PARTS:
                answers.append(patience.result_of(in_flight[0]))
                in_flight.popleft()
            if all(future.done() for future in in_flight):
                patience.renew()  # it was the source that was waited for, not the store
            in_flight.append(senders.submit(send, part))
        while in_flight:
            answers.append(patience.result_of(in_flight[0]))
            in_flight.popleft()
        return answers
    except CancelledError:
        raise Unavailable("The blob store was closed in the middle of an upload.") from None
    finally:
        if in_flight:
            patience.give_up()
        for future in in_flight:
            future.cancel()
        wait(in_flight)
