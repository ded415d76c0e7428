"""What becomes of each property that a client sets: kept as dead, taken as a time, or refused.

Decided before anything is written, since RFC 4918 §9.2 carries a PROPPATCH out whole or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from davserver.dav.answers import PropertyOutcome, all_or_nothing
from davserver.dav.checksums import Algorithm, parse_checksums
from davserver.dav.errors import CANNOT_MODIFY_PROTECTED_PROPERTY
from davserver.dav.properties import CHECKSUMS, LIVE_PROPERTIES, PROTECTED
from davserver.dav.proppatch import PropertyChange
from davserver.dav.quirks import TIME_PROPERTIES, is_kept_as_dead, time_asked_for
from davserver.dav.xmlnames import split_name
from storage.drive.nodes import Node
from storage.drive.properties import Property
from storage.drive.uploads import EMPTY
from storage.errors import Invalid


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be written, if nothing is refused, and what is answered."""

    outcomes: tuple[PropertyOutcome, ...]
    instructions: tuple[Property, ...]
    mtime: datetime | None

    @property
    def is_refused(self) -> bool:
        """Whether one property can't be set, so that none is."""
        return any(outcome.status >= 300 for outcome in self.outcomes)


def plan_changes(changes: Sequence[PropertyChange], *, node: Node | None) -> Plan:
    """Return what a list of changes comes to; `node` is what they are made to, if it exists."""
    outcomes: list[PropertyOutcome] = []
    instructions: list[Property] = []
    mtime: datetime | None = None
    for change in changes:
        outcome = _outcome(change, node)
        outcomes.append(outcome)
        if outcome.status >= 300:
            continue
        mtime = time_asked_for(change) or mtime
        if _is_dead(change):
            namespace, name = split_name(change.name)
            instructions.append(Property(namespace, name, change.xml))
    return Plan(all_or_nothing(outcomes), tuple(instructions), mtime)


def _is_dead(change: PropertyChange) -> bool:
    if change.name in TIME_PROPERTIES:
        return is_kept_as_dead(change.name)
    return change.name not in LIVE_PROPERTIES


def _outcome(change: PropertyChange, node: Node | None) -> PropertyOutcome:
    name = change.name
    if name == CHECKSUMS and not change.is_removal and node is not None:
        return PropertyOutcome(name, 200 if _says_the_truth(change, node) else 409)
    is_removed_live = change.is_removal and name in LIVE_PROPERTIES
    if name in PROTECTED or is_removed_live:
        return PropertyOutcome(name, 403, CANNOT_MODIFY_PROTECTED_PROPERTY)
    if name in TIME_PROPERTIES and not change.is_removal and time_asked_for(change) is None:
        return PropertyOutcome(name, 409)
    return PropertyOutcome(name)


def _says_the_truth(change: PropertyChange, node: Node) -> bool:
    """Tell whether checksums that are set are those of the file.

    rclone sends them along with the time, and uploads the file again when that is refused
    (rclone/rclone:backend/webdav/webdav.go). Test: test_proppatch_method.py,
    test_checksums_that_are_true_may_be_set.
    """
    known = EMPTY if node.blob is None else node
    mine = {
        Algorithm.SHA1: known.sha1, Algorithm.MD5: known.md5, Algorithm.SHA256: known.sha256,
    }  # fmt: skip
    try:
        said = parse_checksums(change.text)
    except Invalid:
        return False
    return all(
        (digest := mine[algorithm]) is not None and digest.hex() == text
        for algorithm, text in said.items()
    )
