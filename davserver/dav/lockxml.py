"""Locks as clients see them: `lockdiscovery`, `supportedlock`, and the answer to LOCK.

neon wants the token in the header and here, Finder takes it from here, davfs2 looks for its own
owner text: so every part is there, in the RFC's order (RFC 4918 §14.1).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from davserver.dav.xmlnames import escape_text

Scope = Literal["exclusive", "shared"]
LockDepth = Literal["0", "infinity"]


@dataclass(frozen=True, slots=True)
class ShownLock:
    """One lock, ready to be shown. `root_href` is encoded, `owner_xml` the client's own XML."""

    token: str
    scope: Scope
    depth: LockDepth
    owner_xml: str
    seconds_left: int
    root_href: str


def _entry(scope: Scope) -> str:
    return (
        f"<D:lockentry><D:lockscope><D:{scope}/></D:lockscope>"
        "<D:locktype><D:write/></D:locktype></D:lockentry>"
    )


SUPPORTED_LOCKS = _entry("exclusive") + _entry("shared")
"""The inside of `supportedlock` for who may write."""


def render_locks(locks: Iterable[ShownLock]) -> str:
    """Return the inside of `lockdiscovery`."""
    return "".join(_active(lock) for lock in locks)


def _active(lock: ShownLock) -> str:
    owner = f"<D:owner>{lock.owner_xml}</D:owner>" if lock.owner_xml else ""
    return (
        "<D:activelock>"
        "<D:locktype><D:write/></D:locktype>"
        f"<D:lockscope><D:{lock.scope}/></D:lockscope>"
        f"<D:depth>{lock.depth}</D:depth>"
        f"{owner}"
        f"<D:timeout>Second-{max(0, lock.seconds_left)}</D:timeout>"
        f"<D:locktoken><D:href>{escape_text(lock.token)}</D:href></D:locktoken>"
        f"<D:lockroot><D:href>{lock.root_href}</D:href></D:lockroot>"
        "</D:activelock>"
    )


def render_lock_answer(locks: Iterable[ShownLock]) -> bytes:
    """Return the body that answers LOCK: a prop with the lockdiscovery (RFC 4918 §9.10.1)."""
    text = (
        '<?xml version="1.0" encoding="utf-8"?>\n<D:prop xmlns:D="DAV:">'
        f"<D:lockdiscovery>{render_locks(locks)}</D:lockdiscovery></D:prop>"
    )
    return text.encode("utf-8", "replace")
