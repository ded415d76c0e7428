"""What a browser gets: a plain listing of a folder, and headers that make files harmless.

Uploaded files share an origin with the web pages, so nothing in them may ever run there. The
listing itself has no script, and one style sheet that is allowed by its hash.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from html import escape
from typing import Final
from urllib.parse import quote

from davserver.dav.content_types import UNKNOWN_TYPE, is_well_formed
from davserver.dav.destination import encode_path
from davserver.dav.entries import Entry

Headers = list[tuple[str, str]]

# What browsers show without running anything in it. All else is offered for saving: html, svg,
# xml and pdf because of scripts, the unknown because somebody may find a way.
_PASSIVE = frozenset(
    {
        *("image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp"),
        *("audio/mpeg", "audio/mp4", "audio/aac", "audio/flac", "audio/ogg", "audio/wav"),
        *("audio/webm", "video/mp4", "video/webm", "video/ogg", "text/plain"),
    }
)

_STYLE: Final = (
    ":root{color-scheme:light dark}"
    "body{font:1rem/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}"
    "th,td{text-align:left;padding:.25rem .75rem .25rem 0;border-bottom:1px solid #8884}"
    "td:first-child{overflow-wrap:anywhere}"
    ".number{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}"
)
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")

_ALWAYS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)

_LISTING_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)

LISTING_HEADERS: Final[tuple[tuple[str, str], ...]] = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Content-Security-Policy", _LISTING_POLICY),
    ("Cache-Control", "private, no-cache"),
    *_ALWAYS,
)
"""All headers of a listing page but its length."""


def file_headers(name: str, content_type: str | None) -> Headers:
    """Return the headers that a file is served with, whoever may have written what into it."""
    text = content_type or UNKNOWN_TYPE
    if not is_well_formed(text):  # it would end the header, or worse
        text = UNKNOWN_TYPE
    essence = text.partition(";")[0].strip().lower()
    kind = "inline" if essence in _PASSIVE else "attachment"
    return [
        ("Content-Type", text),
        ("Content-Disposition", content_disposition(kind, name)),
        ("Content-Security-Policy", "sandbox; default-src 'none'"),
        *_ALWAYS,
    ]


def content_disposition(kind: str, name: str) -> str:
    """Return the header with the name in ASCII for old clients, and whole (RFC 6266, RFC 8187)."""
    plain = "".join(letter if _is_plain(letter) else "_" for letter in name)
    return (
        f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='', errors='replace')}"
    )


def _is_plain(letter: str) -> bool:
    # A percent sign would be decoded by some browsers, the others end the quoted text.
    return " " <= letter <= "~" and letter not in '"\\%'


def render_listing(path: str, entries: Iterable[Entry], *, is_top: bool = False) -> Iterator[str]:
    """Give the page of a folder in pieces.

    `path` is the decoded path with its closing slash. At the top there is no way further up.
    """
    href = encode_path(path)
    title = escape(path)
    yield (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head>\n"
        f"<body><h1>{title}</h1>\n<table><thead><tr><th>Name</th>"
        '<th class="number">Size</th><th class="number">Changed (UTC)</th></tr></thead>\n<tbody>\n'
    )
    if not is_top:
        above = href.rstrip("/").rpartition("/")[0]
        yield f'<tr><td><a href="{above}/">One folder up</a></td><td></td><td></td></tr>\n'
    for entry in entries:
        yield _row(href, entry)
    yield "</tbody></table></body></html>\n"


def _row(folder_href: str, entry: Entry) -> str:
    is_folder = entry.kind == "folder"
    slash = "/" if is_folder else ""
    size = "" if is_folder else readable_size(entry.size)
    return (
        f'<tr><td><a href="{folder_href}{entry.name_href}{slash}">{escape(entry.name)}{slash}</a>'
        f'</td><td class="number">{size}</td>'
        f'<td class="number">{entry.mtime:%Y-%m-%d %H:%M}</td></tr>\n'
    )


def readable_size(size: int) -> str:
    """Return `1.5 MiB` for 1572864."""
    amount, unit = float(size), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        if amount < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{size} B" if unit == "B" else f"{amount:.1f} {unit}"
