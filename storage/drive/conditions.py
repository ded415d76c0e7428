"""Conditions that a client sets, judged inside the transaction that commits.

The doors parse headers into these values; nothing here knows a header's text. Judged before the
change, under the space's lock, so that of several writers with one expectation one wins.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from storage.db import Tx
from storage.drive import locks, nodes
from storage.drive.nodes import Chain, Node
from storage.drive.paths import Path
from storage.drive.spaces import Tree
from storage.errors import Changed

ANY = frozenset({"*"})
"""`If-Match: *` and `If-None-Match: *`."""


@dataclass(frozen=True, slots=True)
class StateIs:
    """One condition of an `If` list (RFC 4918 §10.4): a lock token, or an etag without quotes."""

    value: str
    is_etag: bool = False
    is_negated: bool = False


@dataclass(frozen=True, slots=True)
class IfList:
    """Conditions that must all hold for one resource.

    Without a path they are about the resource that the request names. With a path but no tree
    they are about something that this device can't have: nothing is there.
    """

    conditions: tuple[StateIs, ...]
    tree: Tree | None = None
    path: Path | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """What the client expects to find. Etags are strong ones, without quotes.

    `lists` are those of the `If` header: one of them must hold. `lock_tokens` are all tokens in
    it, whatever resource they stand by: they are what the client submits (RFC 4918 §10.4.1).
    """

    if_match: frozenset[str] | None = None
    if_none_match: frozenset[str] | None = None
    if_unmodified_since: datetime | None = None
    lists: tuple[IfList, ...] = ()
    lock_tokens: frozenset[str] = frozenset()


UNCONDITIONAL = Expected()
"""Nothing is expected."""


def check(tx: Tx, *, chain: Chain, expected: Expected) -> None:
    """Raise Changed unless all that is expected of the path's end is so.

    In the order of RFC 9110 §13.2.2, then `If`.
    """
    if expected is UNCONDITIONAL:
        return
    node = chain.node
    if expected.if_match is not None and not _matches(node, expected.if_match):
        raise Changed("This was changed by somebody else in the meantime.")
    if expected.if_match is None and _is_later(node, expected.if_unmodified_since):
        raise Changed("This was changed by somebody else in the meantime.")
    if expected.if_none_match is not None and _matches(node, expected.if_none_match):
        raise Changed("There is something here already.")
    if expected.lists and not any(_holds(tx, chain, each) for each in expected.lists):
        raise Changed("What the If header asks for is not so.")


def _matches(node: Node | None, etags: frozenset[str]) -> bool:
    return node is not None and (etags == ANY or node.etag in etags)


def _is_later(node: Node | None, limit: datetime | None) -> bool:
    # HTTP dates have whole seconds: a file is not later than the date that was given for it.
    if limit is None:
        return False
    return node is None or node.mtime >= limit + timedelta(seconds=1)


def _holds(tx: Tx, chain: Chain, listed: IfList) -> bool:
    if listed.path is None:
        resource: Chain | None = chain
    elif listed.tree is None:
        resource = None
    else:
        resource = nodes.find(tx, tree=listed.tree, path=listed.path)
    tokens = _tokens(tx, resource) if _asks_for_tokens(listed) else frozenset()
    etag = resource.node.etag if resource and resource.node else None
    for condition in listed.conditions:
        is_so = condition.value == etag if condition.is_etag else condition.value in tokens
        if is_so == condition.is_negated:
            return False
    return True


def _asks_for_tokens(listed: IfList) -> bool:
    return any(not condition.is_etag for condition in listed.conditions)


def _tokens(tx: Tx, resource: Chain | None) -> frozenset[str]:
    """Return the tokens whose locks cover the resource, there or not (RFC 4918 §10.4.4)."""
    if resource is None:
        return frozenset()
    own = () if resource.node is None else (resource.node.id,)
    reach = locks.Reach(frozenset(own), frozenset(resource.ids))
    found = locks.find_reaching(tx, reach, space_id=resource.tree.space.id)
    return frozenset(lock.token for lock in found)
