"""How long a listing takes to render, in microseconds of processor time per entry.

The best of several rounds counts, so that a busy machine disturbs less.

Run it from the checkout: `python -m bench.multistatus [entries]`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from urllib.parse import quote

from davserver.dav.entries import Surroundings
from davserver.dav.multistatus import Place, Renderer, multistatus, renderer_for
from davserver.dav.xmlnames import OWNCLOUD, dav
from davserver.dav.xmlrequests import ALL_PROPERTIES, Asked, PropfindRequest, parse_propfind

ROUNDS = 15
START = datetime(2020, 1, 1, tzinfo=UTC)


class Row(NamedTuple):
    """A row as the database gives it."""

    id: int
    name: str
    name_href: str
    name_xml: str | None
    kind: str
    size: int
    content_type: str | None
    etag: str
    mtime: datetime
    created_at: datetime
    sha1: bytes | None
    md5: bytes | None
    sha256: bytes | None


def rows(count: int) -> list[Row]:
    """Return files and, every tenth, a folder; times are spread over years."""
    made = []
    for number in range(count):
        name = f"Holiday picture {number}.jpg"
        changed = START + timedelta(seconds=number * 7919)
        is_folder = number % 10 == 0
        made.append(
            Row(
                number, name, quote(name, safe=""), None, "folder" if is_folder else "file",
                number * 31, "image/jpeg", f"{number:032x}", changed, changed,
                bytes(20), bytes(16), bytes(32),
            )
        )  # fmt: skip
    return made


def named(*names: str) -> PropfindRequest:
    return PropfindRequest(Asked.NAMED, names)


SIX = named(
    *map(dav, ("displayname", "getcontentlength", "getcontenttype")),
    *map(dav, ("getetag", "getlastmodified", "resourcetype")),
)
RCLONE = named(
    *map(dav, ("displayname", "getlastmodified", "getcontentlength", "resourcetype")),
    f"{{{OWNCLOUD}}}checksums",
    f"{{{OWNCLOUD}}}permissions",
)
FINDER = named(*map(dav, ("getlastmodified", "getcontentlength", "creationdate", "resourcetype")))
DAVX5 = named(
    *map(dav, ("resourcetype", "current-user-privilege-set", "displayname", "getetag")),
    *map(dav, ("getcontenttype", "getcontentlength", "getlastmodified")),
    *map(dav, ("quota-available-bytes", "quota-used-bytes")),
)
DAVFS2 = named(
    *map(dav, ("resourcetype", "getcontentlength", "getetag", "getlastmodified")),
    "{http://apache.org/dav/props/}executable",
)


def best_seconds(work: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.process_time()
        work()
        best = min(best, time.process_time() - started)
    return best


def listing(renderer: Renderer, entries: list[Row], surroundings: Surroundings) -> int:
    bound = renderer.bind(surroundings)
    members = bound.members("/dav/files/account/pictures/", entries)
    return sum(len(piece) for piece in multistatus(renderer.prefixes, members))


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    entries = rows(count)
    around = Surroundings(may_write=True, used_bytes=1, available_bytes=2)
    executable = {"{http://apache.org/dav/props/}executable": "<e xmlns='a'>T</e>"}
    some_dead = Surroundings(dead=dict.fromkeys(range(0, count, 100), executable))
    cases = {
        "six properties": (renderer_for(SIX), around),
        "rclone (owncloud)": (renderer_for(RCLONE), around),
        "Finder": (renderer_for(FINDER), around),
        "DAVx5": (renderer_for(DAVX5), around),
        "davfs2": (renderer_for(DAVFS2), around),
        "davfs2, 1 % with a dead property": (renderer_for(DAVFS2), some_dead),
        "allprop": (renderer_for(ALL_PROPERTIES), around),
    }
    for label, (renderer, surroundings) in cases.items():
        seconds = best_seconds(lambda: listing(renderer, entries, surroundings))  # noqa: B023
        size = listing(renderer, entries, surroundings)
        print(
            f"{label:34s} {seconds / count * 1e6:6.2f} µs/entry "
            f"{seconds * 1e3:7.1f} ms {size / count:6.0f} bytes/entry"
        )
    body = (
        b'<D:propfind xmlns:D="DAV:"><D:prop><D:displayname/><D:getcontentlength/>'
        b"<D:getcontenttype/><D:getetag/><D:getlastmodified/><D:resourcetype/></D:prop>"
        b"</D:propfind>"
    )

    def depth_0() -> None:
        for _ in range(1000):
            renderer = renderer_for(parse_propfind(body))
            response = renderer.bind(around).one("/dav/files/account/a", entries[1], Place.ALONE)
            b"".join(multistatus(renderer.prefixes, (response,)))

    print(f"{'Depth 0, body parsed as well':34s} {best_seconds(depth_0) * 1e3:6.2f} µs/request")


if __name__ == "__main__":
    main()
