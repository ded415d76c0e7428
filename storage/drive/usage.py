"""Bytes used and reserved, against bytes allowed.

Live files, trashed ones and versions count alike, each with its own size: bytes that copies share
count for each copy, as nobody could foresee what freeing one of them would free. The counters are
kept by the transactions that change nodes; `recalc` proves them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select, update

from storage.db import Tx
from storage.drive.spaces import Space
from storage.drive.tables import nodes, reservations, uploads, usage, versions
from storage.errors import NotFound, OverQuota


@dataclass(frozen=True, slots=True)
class Quota:
    """What an account may use in all its spaces together, and one mailbox of it; None: no limit."""

    pool_bytes: int | None = None
    allocation_bytes: int | None = None


NO_LIMIT = Quota()
"""As on a self-hosted install by default."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What is taken up."""

    used_bytes: int
    reserved_bytes: int

    @property
    def total_bytes(self) -> int:
        """Used and reserved together: what the limits are about."""
        return self.used_bytes + self.reserved_bytes


@dataclass(frozen=True, slots=True)
class Reservation:
    """Room that an upload under way keeps for itself until it ends, or its lease runs out."""

    id: int
    space_id: int
    bytes: int


_OF_SPACE = select(usage.c.used_bytes, usage.c.reserved_bytes).where(
    usage.c.space_id == bindparam("space")
)
_OF_ACCOUNT = select(
    func.coalesce(func.sum(usage.c.used_bytes), 0),
    func.coalesce(func.sum(usage.c.reserved_bytes), 0),
).where(usage.c.account_id == bindparam("account"))
_EVERYWHERE = usage.alias("everywhere")
_SURVEY = select(
    usage.c.used_bytes,
    usage.c.used_bytes + usage.c.reserved_bytes,
    select(func.sum(_EVERYWHERE.c.used_bytes + _EVERYWHERE.c.reserved_bytes))
    .where(_EVERYWHERE.c.account_id == bindparam("account"))
    .scalar_subquery(),
).where(usage.c.space_id == bindparam("space"))
_ADD = (
    update(usage)
    .where(usage.c.space_id == bindparam("space"))
    .values(
        used_bytes=usage.c.used_bytes + bindparam("used"),
        reserved_bytes=usage.c.reserved_bytes + bindparam("reserved"),
    )
)


def get(tx: Tx, *, space_id: int) -> Usage:
    """Return what one space takes up. Raises NotFound."""
    row = tx.connection.execute(_OF_SPACE, {"space": space_id}).one_or_none()
    if row is None:
        raise NotFound("There is no such drive.")
    return Usage(*row)


def get_of_account(tx: Tx, *, account_id: int) -> Usage:
    """Return what all spaces of an account take up together."""
    used, reserved = tx.connection.execute(_OF_ACCOUNT, {"account": account_id}).one()
    return Usage(int(used), int(reserved))


def find_room(tx: Tx, *, space: Space, quota: Quota) -> int | None:
    """Return how many bytes still fit, 0 at least; None when there is no limit."""
    rooms = []
    if quota.pool_bytes is not None:
        taken = get_of_account(tx, account_id=space.account_id)
        rooms.append(quota.pool_bytes - taken.total_bytes)
    if quota.allocation_bytes is not None:
        rooms.append(quota.allocation_bytes - get(tx, space_id=space.id).total_bytes)
    return max(0, min(rooms)) if rooms else None


def find_used_and_room(tx: Tx, *, space: Space, quota: Quota) -> tuple[int, int | None]:
    """Return what a space uses and what `find_room` would say, in one question (RFC 4331)."""
    values = {"space": space.id, "account": space.account_id}
    used, total, of_account = tx.connection.execute(_SURVEY, values).one()
    rooms = []
    if quota.pool_bytes is not None:
        rooms.append(quota.pool_bytes - int(of_account))
    if quota.allocation_bytes is not None:
        rooms.append(quota.allocation_bytes - total)
    return used, max(0, min(rooms)) if rooms else None


def require_room(tx: Tx, *, space: Space, quota: Quota, wanted: int) -> None:
    """Raise OverQuota unless so many bytes fit.

    What adds nothing is never refused: over the limit, people must still be able to tidy up. The
    account's writers are put in a row, or two of its spaces could fill the same room at once.
    """
    if wanted <= 0 or quota == NO_LIMIT:
        return
    tx.serialise_on("pool", space.account_id)
    room = find_room(tx, space=space, quota=quota)
    if room is not None and wanted > room:
        raise OverQuota("There is not enough room left for this.")


def add(tx: Tx, *, space_id: int, used: int = 0, reserved: int = 0) -> None:
    """Change the counters of a space by so many bytes."""
    if used or reserved:
        values = {"space": space_id, "used": used, "reserved": reserved}
        tx.connection.execute(_ADD, values)


def reserve(
    tx: Tx, *, space: Space, quota: Quota, wanted: int, lease_seconds: float
) -> Reservation | None:
    """Keep room for an upload that begins now; None when it has no bytes.

    The lease must be renewed before it runs out: a process that dies gives its room back so.
    Raises OverQuota.
    """
    if wanted <= 0:
        return None
    tx.serialise_on("space", space.id)
    require_room(tx, space=space, quota=quota, wanted=wanted)
    expires_at = tx.now + timedelta(seconds=lease_seconds)
    values = {"space_id": space.id, "bytes": wanted, "expires_at": expires_at}
    made = insert(reservations).values(values).returning(reservations.c.id)
    reservation_id: int = tx.connection.execute(made).scalar_one()
    add(tx, space_id=space.id, reserved=wanted)
    return Reservation(reservation_id, space.id, wanted)


def renew(tx: Tx, *, reservation: Reservation, lease_seconds: float) -> bool:
    """Make the lease run anew; False when it has run out and the room was given back."""
    expires_at = tx.now + timedelta(seconds=lease_seconds)
    mine = reservations.c.id == reservation.id
    renewed = update(reservations).where(mine).values(expires_at=expires_at)
    return tx.connection.execute(renewed).rowcount == 1


def release(tx: Tx, *, reservation: Reservation | None) -> bool:
    """Give the room back; a second time does nothing."""
    if reservation is None:
        return False
    tx.serialise_on("space", reservation.space_id)
    gone = delete(reservations).where(reservations.c.id == reservation.id)
    if tx.connection.execute(gone).rowcount == 0:
        return False
    add(tx, space_id=reservation.space_id, reserved=-reservation.bytes)
    return True


def list_expired(tx: Tx, *, limit: int = 1000) -> list[Reservation]:
    """Return reservations whose lease has run out."""
    query = select(reservations.c.id, reservations.c.space_id, reservations.c.bytes)
    expired = query.where(reservations.c.expires_at <= tx.now).limit(limit)
    return [Reservation(*row) for row in tx.connection.execute(expired)]


def is_expired(tx: Tx, *, reservation: Reservation) -> bool:
    """Tell whether a lease has run out, and its room was not given back yet."""
    query = select(reservations.c.expires_at).where(reservations.c.id == reservation.id)
    expires_at = tx.connection.execute(query).scalar()
    return expires_at is not None and expires_at <= tx.now


def recalc(tx: Tx, *, space_id: int, is_dry_run: bool = False) -> tuple[Usage, Usage]:
    """Count everything anew and mend the counters; return them as they were and as they are."""
    tx.serialise_on("space", space_id)
    kept = get(tx, space_id=space_id)
    counted = count(tx, space_id=space_id)
    if counted != kept and not is_dry_run:
        values = {"used_bytes": counted.used_bytes, "reserved_bytes": counted.reserved_bytes}
        tx.connection.execute(update(usage).where(usage.c.space_id == space_id).values(values))
    return kept, counted


def count(tx: Tx, *, space_id: int) -> Usage:
    """Count what the counters should be, from the rows that take up room."""

    def total(query: Any) -> int:  # Any: a select of one sum
        return int(tx.connection.execute(query).scalar() or 0)

    is_file = (nodes.c.space_id == space_id) & (nodes.c.kind == "file")
    files = total(select(func.sum(nodes.c.size)).where(is_file))
    of_space = nodes.c.space_id == space_id
    old = total(
        select(func.sum(versions.c.size))
        .join(nodes, nodes.c.id == versions.c.node_id)
        .where(of_space)
    )
    leases = total(
        select(func.sum(reservations.c.bytes)).where(reservations.c.space_id == space_id)
    )
    is_running = (uploads.c.space_id == space_id) & (uploads.c.state == "initiated")
    running = total(select(func.sum(uploads.c.reserved_bytes)).where(is_running))
    return Usage(files + old, leases + running)
