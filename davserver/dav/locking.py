"""LOCK and UNLOCK (RFC 4918 §9.10, §9.11)."""

from __future__ import annotations

from davserver.dav.door import Answer, Headers, Request
from davserver.dav.errors import LOCK_TOKEN_MATCHES_REQUEST_URI, XML_TYPE, Refusal
from davserver.dav.expectations import expected_of
from davserver.dav.headers import Depth, parse_depth, parse_lock_token, parse_timeout
from davserver.dav.lockxml import ShownLock, render_lock_answer
from davserver.dav.places import TreePlace
from davserver.dav.surroundings import shown_locks
from davserver.dav.xmlin import read_body
from davserver.dav.xmlrequests import LockRequest, parse_lock
from storage.db import Tx
from storage.drive import locking, locks, nodes
from storage.drive.locks import Lock
from storage.drive.spaces import Tree
from storage.errors import Invalid, NotFound, ParentMissing

_USUAL_SECONDS = 3600
"""What a client gets that names no time; every one of them renews long before."""


def answer_lock(request: Request) -> Answer:
    """Answer a LOCK: a new one, or without a body the refresh of one.

    200, or 201 where an empty file was made for it. Raises what `locking` does.
    """
    asked = parse_lock(read_body(request.read))
    place, tree = request.spot()
    longest = request.door.settings.lock_longest_seconds
    seconds = parse_timeout(
        request.header("TIMEOUT"), default_seconds=_USUAL_SECONDS, longest_seconds=longest
    )
    if asked is None:
        shown = _refresh(request, place, tree, seconds)
        return Answer(200, [("Content-Type", XML_TYPE)], render_lock_answer(shown))
    token, is_new, shown = _take(request, place, tree, asked, seconds)
    headers: Headers = [("Content-Type", XML_TYPE), ("Lock-Token", f"<{token}>")]
    return Answer(201 if is_new else 200, headers, render_lock_answer(shown))


def _take(
    request: Request, place: TreePlace, tree: Tree, asked: LockRequest, seconds: int
) -> tuple[str, bool, list[ShownLock]]:
    depth = parse_depth(request.header("DEPTH"))
    if depth is Depth.ONE:
        raise Invalid("A lock has Depth 0 or infinity.", field="Depth")
    expected = expected_of(request)
    longest = request.door.settings.lock_longest_seconds

    def act(tx: Tx) -> tuple[str, bool, list[ShownLock]]:
        granted = locking.take(
            tx,
            tree=tree,
            path=place.path,
            actor=request.actor,
            is_exclusive=asked.scope == "exclusive",
            is_deep=depth is not Depth.ZERO,
            owner_xml=asked.owner_xml,
            timeout_seconds=seconds,
            longest_seconds=longest,
            expected=expected,
        )
        if granted.is_new and place.ends_open:
            raise ParentMissing("A file's address does not end in a slash.")
        shown = _shown(tx, place, tree, granted.lock)
        return granted.lock.token, granted.is_new, shown

    return request.write(act)


def _refresh(request: Request, place: TreePlace, tree: Tree, seconds: int) -> list[ShownLock]:
    expected = expected_of(request)
    if not expected.lock_tokens:
        raise Invalid("A lock is asked for in a body, or renewed by its token in If.", field="If")

    def act(tx: Tx) -> list[ShownLock]:
        lock = locking.refresh(
            tx,
            tree=tree,
            path=place.path,
            actor=request.actor,
            tokens=expected.lock_tokens,
            timeout_seconds=seconds,
            longest_seconds=request.door.settings.lock_longest_seconds,
            expected=expected,
        )
        return _shown(tx, place, tree, lock)

    return request.write(act)


def _shown(tx: Tx, place: TreePlace, tree: Tree, first: Lock) -> list[ShownLock]:
    """Return every lock that the resource is under, the granted one first: Finder takes that."""
    chain = nodes.find(tx, tree=tree, path=place.path)
    others = [it for it in locks.list_covering(tx, chain=chain) if it.token != first.token]
    return shown_locks(tx, [first, *others], place.base)


def answer_unlock(request: Request) -> Answer:
    """Answer an UNLOCK: 204, also where no lock is left at all.

    Raises NotFound, NotAllowed for another device's lock, and a Refusal with 409 for a token that
    is not that of a lock here (§9.11.1). Mountain Duck asks again for ever when the loss of its
    lock is a conflict (test_unlock.py, test_a_second_unlock_is_no_conflict).
    """
    place, tree = request.spot()
    token = parse_lock_token(request.header("LOCK_TOKEN"))
    if token is None:
        raise Invalid("The Lock-Token header is missing.", field="Lock-Token")

    def act(tx: Tx) -> None:
        chain = nodes.get(tx, tree=tree, path=place.path)
        try:
            locking.release(tx, tree=tree, path=place.path, token=token, actor=request.actor)
        except NotFound:
            if locks.list_covering(tx, chain=chain):
                raise Refusal(
                    409,
                    "This is not the token of a lock here.",
                    condition=LOCK_TOKEN_MATCHES_REQUEST_URI,
                ) from None

    request.write(act)
    return Answer(204)
