"""What changed below a folder since a token: the report of RFC 6578, from the change rows.

The rows since the token tell where each touched node hung then; every other node hangs where it
hung. So both trees, then and at the report's end, are known without having been kept. What left
its place is reported gone, once for a whole folder; what came, or came back, is reported with all
below it, as a client can't know that it was moved. Called by the door for a REPORT.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, or_, select

from storage.db import Tx
from storage.drive import listing
from storage.drive.nodes import Node
from storage.drive.past import PastTree, read_changes
from storage.drive.paths import href_of
from storage.drive.spaces import Tree
from storage.drive.tables import changes, nodes, spaces
from storage.errors import Invalid, NotAllowed

MOST_CHANGES = 50_000
"""A token from before more changes than these is refused: listing anew costs less."""

_TOKEN = re.compile(r"(\d{1,18})-(\d{1,18})-(\d{1,18})(?:-(\d{1,18})-(g|n)(\d{1,18}))?")
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Entry:
    """A member that is new, changed, or may be. `row` has the listing's columns."""

    href: str
    row: Any  # Any: a row, its columns have all types


@dataclass(frozen=True, slots=True)
class Report:
    """What changed. Hrefs are encoded and relative to the folder; folders' end in a slash.

    `gone` stands for all below it too. When `is_truncated`, the rest comes for `token`.
    """

    entries: tuple[Entry, ...]
    gone: tuple[str, ...]
    token: str
    is_truncated: bool


@dataclass(frozen=True, slots=True)
class _Token:
    """From `since` to `upto`, of which all up to the cursor was told; `since` None: from nothing.

    A token that stands for a whole report has neither cursor nor `upto`.
    """

    since: int | None
    upto: int
    phase: str = "g"  # gone ones are told first, then new ones
    cursor: int = 0


def token_of(folder: Node) -> str:
    """Return the token of a folder as it is now: the property `sync-token`."""
    return spell_token(folder.space_id, folder.id, folder.change_seq)


def spell_token(space_id: int, folder_id: int, change_seq: int) -> str:
    """Return the token of a folder that is known from a listing's row."""
    return f"{space_id}-{folder_id}-{change_seq}"


def report(
    tx: Tx,
    *,
    tree: Tree,
    folder: Node,
    token: str | None = None,
    limit: int | None = None,
    is_deep: bool = True,
) -> Report:
    """Report what changed below a folder since `token`, or all that is there without one.

    Raises Invalid with field `sync-token` for a token that is not this folder's, or too old, and
    NotAllowed for the top of a shared view, below which there is more than it shows.
    """
    if tree.shared_only and folder.id == tree.space.root_id:
        raise NotAllowed("This is a list of what is shared; ask for each folder in it.")
    current = token_of(folder)
    if token == current:
        return Report((), (), current, is_truncated=False)
    asked = _parse(tx, folder, token)
    room = MOST_CHANGES * 1000 if limit is None else max(1, limit)
    then, end = _trees(tx, folder, asked)
    gone: list[str] = []
    if asked.phase == "g" and then is not None:
        everything = _find_gone(folder, then, end, is_deep=is_deep)
        gone = everything[asked.cursor : asked.cursor + room]
        if asked.cursor + len(gone) < len(everything):
            rest = _Token(asked.since, asked.upto, "g", asked.cursor + len(gone))
            return Report((), tuple(gone), _spell(folder, rest), is_truncated=True)
    room -= len(gone)
    cursor = asked.cursor if asked.phase == "n" else 0
    finder = _Finder(tx, folder, then, end, is_deep=is_deep)
    entries = finder.find(after=cursor, limit=room + 1)
    if len(entries) > room:
        last = entries[room - 1].row.id if room else cursor
        rest = _Token(asked.since, asked.upto, "n", last)
        return Report(tuple(entries[:room]), tuple(gone), _spell(folder, rest), is_truncated=True)
    whole = f"{folder.space_id}-{folder.id}-{asked.upto}"
    return Report(tuple(entries), tuple(gone), whole, is_truncated=False)


def _spell(folder: Node, token: _Token) -> str:
    # 0 for "from nothing": no token is ever from before the first change, so it can't be meant.
    since = 0 if token.since is None else token.since + 1
    tail = f"{since}-{token.upto}-{token.phase}{token.cursor}"
    return f"{folder.space_id}-{folder.id}-{tail}"


def _parse(tx: Tx, folder: Node, text: str | None) -> _Token:
    if text is None:
        return _Token(None, folder.change_seq, "n")
    parts = _TOKEN.fullmatch(text)
    if parts is None or (int(parts[1]), int(parts[2])) != (folder.space_id, folder.id):
        raise _refused()
    number = int(parts[3])
    if parts[4] is None:
        token = _Token(number, folder.change_seq)
    else:
        since = number - 1 if number else None
        token = _Token(since, int(parts[4]), parts[5], int(parts[6]))
    oldest = token.upto if token.since is None else token.since
    if max(oldest, token.upto) > folder.change_seq or oldest < _compacted(tx, folder.space_id):
        raise _refused()
    return token


def _refused() -> Invalid:
    return Invalid("This sync token is not valid here any more.", field="sync-token")


def _compacted(tx: Tx, space_id: int) -> int:
    query = select(spaces.c.compacted_seq).where(spaces.c.id == space_id)
    compacted: int = tx.connection.execute(query).scalar_one()
    return compacted


def _trees(tx: Tx, folder: Node, asked: _Token) -> tuple[PastTree | None, PastTree]:
    """Return the tree at the token, if it is one, and the tree at the report's end."""
    since = asked.upto if asked.since is None else asked.since
    rows = read_changes(tx, space_id=folder.space_id, since=since, limit=MOST_CHANGES + 1)
    if len(rows) > MOST_CHANGES:
        raise _refused()
    newest = rows[-1].seq if rows else asked.upto
    later = [row for row in rows if row.seq > asked.upto]
    end = PastTree(tx, folder, later, seq=asked.upto, until=newest)
    if asked.since is None:
        return None, end
    return PastTree(tx, folder, rows, seq=since, until=asked.upto), end


def _find_gone(folder: Node, then: PastTree, end: PastTree, *, is_deep: bool) -> list[str]:
    """Return what was there and is no more, topmost only, in a steady order."""
    gone: set[str] = set()
    for node_id in then.relocated:
        names = then.names_of(node_id)
        if not names:
            continue
        above = end.at(folder.id, names[:-1])
        if above is None:
            continue  # something further up is gone, and told
        now_there = end.child(above, names[-1])
        if now_there is None:
            gone.add(_href(names, is_folder=then.is_folder(node_id)))
        elif now_there != node_id:
            _compare(then, end, node_id, now_there, names, gone)
    return sorted(href for href in gone if is_deep or "/" not in href.rstrip("/"))


def _compare(
    then: PastTree, end: PastTree, old: int, new: int, names: tuple[str, ...], gone: set[str]
) -> None:
    """Add what the folder that was here held, and what is here now does not."""
    waiting = [(old, new, names)]
    while waiting:
        old, new, names = waiting.pop()
        kept = end.children(new)
        for name, child_id in then.children(old).items():
            if name not in kept:
                gone.add(_href((*names, name), is_folder=then.is_folder(child_id)))
            elif kept[name] != child_id:
                waiting.append((child_id, kept[name], (*names, name)))


def _href(names: Sequence[str], *, is_folder: bool) -> str:
    return "/".join(href_of(name) for name in names) + ("/" if is_folder else "")


class _Finder:
    """Finds members to report: those touched, and all below those that came to their place.

    What has changed its place again since the report's end is left out, with all below it: the
    next report tells of it, and telling of it twice could leave a client with both places.
    """

    def __init__(
        self, tx: Tx, folder: Node, then: PastTree | None, end: PastTree, *, is_deep: bool
    ) -> None:
        self._tx = tx
        self._folder = folder
        self._end = end
        self._is_deep = is_deep
        self._bases: dict[int, str] = {}
        touched = {folder.id} if then is None else then.touched - {folder.id}
        moved = {folder.id} if then is None else then.relocated - {folder.id}
        for node_id in sorted(touched):
            self._add(node_id, moved)
        # Folders only: looking below a file costs as much as looking below a folder.
        self._tops = [
            node_id for node_id in self._bases if node_id in moved and self._end.is_folder(node_id)
        ]
        self._single = sorted(set(self._bases) - set(self._tops))

    def find(self, *, after: int, limit: int) -> list[Entry]:
        """Return entries in the order of their ids, from the first one after `after`."""
        found: list[Entry] = []
        for start in range(0, len(self._single), _AT_ONCE):
            found += self._find_single(self._single[start : start + _AT_ONCE], after, limit)
        for start in range(0, len(self._tops), _AT_ONCE):
            found += self._find_below(self._tops[start : start + _AT_ONCE], after, limit)
        found.sort(key=lambda entry: entry.row.id)
        return found[:limit]

    def _add(self, node_id: int, moved: set[int]) -> None:
        chain = self._end.current_chain(node_id)
        if chain is None or any(above in self._end.relocated for above, _ in chain):
            return
        if any(above in moved for above, _ in chain[1:]) or self._folder.id in moved - {node_id}:
            return  # told with what it came with
        names = [name for _, name in reversed(chain)]
        if self._is_deep or len(names) <= 1:
            self._bases[node_id] = "/".join(href_of(name) for name in names)

    def _find_single(self, ids: Sequence[int], after: int, limit: int) -> list[Entry]:
        query = (
            select(*listing.COLUMNS)
            .select_from(listing.with_bytes())
            .where(nodes.c.id.in_(ids), nodes.c.id > after)
        )
        rows = self._tx.connection.execute(query.order_by(nodes.c.id).limit(limit))
        return [Entry(self._href(row, row.id, ""), row) for row in rows]

    def _find_below(self, tops: Sequence[int], after: int, limit: int) -> list[Entry]:
        moved_on = self._moved_on()
        below = listing.subtree(tops, except_ids=moved_on)
        query = (
            select(*listing.COLUMNS, below.c.href, below.c.top_id)
            .select_from(listing.with_bytes().join(below, below.c.id == nodes.c.id))
            .where(nodes.c.id > after, nodes.c.id != self._folder.id)
        )
        if not self._is_deep:
            deepest = 1 if self._folder.id in tops else 0
            query = query.where(below.c.depth <= deepest)
        rows = self._tx.connection.execute(query.order_by(nodes.c.id).limit(limit))
        return [Entry(self._href(row, row.top_id, row.href), row) for row in rows]

    def _href(self, row: Any, top_id: int, rest: str) -> str:  # Any: a row
        base = self._bases[top_id]
        if top_id == self._folder.id:
            return rest
        tail = "/" if row.kind == "folder" and not rest else ""
        return f"{base}/{rest}" if rest else base + tail

    def _moved_on(self) -> Select[Any]:
        is_elsewhere = or_(
            changes.c.parent_id.is_distinct_from(changes.c.from_parent_id),
            changes.c.name != func.coalesce(changes.c.from_name, ""),
        )
        return select(changes.c.node_id).where(
            changes.c.space_id == self._folder.space_id,
            changes.c.seq > self._end.seq,
            is_elsewhere,
        )
