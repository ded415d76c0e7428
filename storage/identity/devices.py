"""Devices: credential holders that do files and nothing else.

A device's secret is random, shown once and kept as its SHA-256. Each device stands alone: what
happens to one changes no other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, Select, insert, select, update

from storage.audit import Actor, Category, Event, Target, record
from storage.db import Tx
from storage.errors import Invalid, NotFound
from storage.identity.names import clean_name
from storage.identity.tables import devices
from storage.randomness import new_secret
from storage.scopes import Scope, check_device_scopes, parse_scopes

SECRET_PREFIX = "dsync_"  # noqa: S105 (a prefix that everybody may know)
_LONGEST_LIFE_DAYS = 3650
_LARGEST_ID = 2**63 - 1
_SHOWN = (
    devices.c.id, devices.c.account_id, devices.c.mailbox_id, devices.c.label, devices.c.scopes,
    devices.c.issued_via, devices.c.issued_by_label, devices.c.created_at, devices.c.expires_at,
    devices.c.last_used_at, devices.c.revoked_at,
)  # fmt: skip


class Surface(StrEnum):
    """Where a device was issued."""

    API = "api"
    CLI = "cli"
    DASHBOARD = "dashboard"
    MCP = "mcp"
    WEBMAIL = "webmail"


@dataclass(frozen=True, slots=True)
class Device:
    """A device as listings show it: everything but its secret."""

    id: int
    account_id: int
    mailbox_id: int | None
    label: str
    scopes: frozenset[Scope]
    issued_via: Surface
    issued_by: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None

    def state(self, now: datetime) -> str:
        """Return active, expired or revoked. Expiry is worked out, never stored."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "active"


def issue(
    tx: Tx,
    *,
    account_id: int,
    mailbox_id: int | None = None,
    label: str,
    scopes: frozenset[Scope],
    expires_in_days: int | None = None,
    via: Surface,
    actor: Actor,
) -> tuple[Device, str]:
    """Make a device and return it with its secret, which is nowhere else from then on.

    Raises Invalid for a label, a set of scopes or a life that no device can have.
    """
    label = clean_name(label, what="A label", field="label")
    check_device_scopes(scopes, is_bound_to_mailbox=mailbox_id is not None)
    device, secret = _insert(
        tx,
        account_id=account_id,
        mailbox_id=mailbox_id,
        label=label,
        scopes=scopes,
        expires_at=_expiry(tx.now, expires_in_days),
        via=via,
        actor=actor,
    )
    metadata = {"scopes": sorted(scopes), "via": via, "mailbox_id": mailbox_id}
    _record(tx, device, "device:secret:issued", actor, metadata)
    return device, secret


def revoke(
    tx: Tx, *, account_id: int | None = None, device_id: int, reason: str, actor: Actor
) -> tuple[Device, bool]:
    """End a device for good; return it, and whether it was still alive.

    Doing it twice changes nothing. Raises NotFound when there is no such device, or not in the
    account that is named, Invalid for a reason that is none.
    """
    reason = clean_name(reason, what="A reason", field="reason")
    device = get(tx, account_id=account_id, device_id=device_id)
    row = tx.connection.execute(
        update(devices)
        .where(devices.c.id == device_id, devices.c.revoked_at.is_(None))
        .values(revoked_at=tx.now, revoked_by=actor.label, revoked_reason=reason)
        .returning(*_SHOWN)
    ).one_or_none()
    if row is None:
        return device, False
    device = _device(row)
    _record(tx, device, "device:secret:revoked", actor, {"reason": reason})
    return device, True


def rename(
    tx: Tx, *, account_id: int | None = None, device_id: int, label: str, actor: Actor
) -> Device:
    """Give a device another label; return it. Raises NotFound, and Invalid for no label."""
    label = clean_name(label, what="A label", field="label")
    before = get(tx, account_id=account_id, device_id=device_id)
    if before.label == label:
        return before
    row = tx.connection.execute(
        update(devices).where(devices.c.id == device_id).values(label=label).returning(*_SHOWN)
    ).one()
    device = _device(row)
    _record(tx, device, "device:label:changed", actor, {"before": before.label})
    return device


def rotate(
    tx: Tx, *, account_id: int | None = None, device_id: int, via: Surface, actor: Actor
) -> tuple[Device, str]:
    """Replace a device by one with a new secret and all else alike; the old one ends at once.

    A life that was limited begins anew with the same length. Raises NotFound, and Invalid for a
    device that is revoked.
    """
    old = get(tx, account_id=account_id, device_id=device_id)
    _, was_alive = revoke(tx, device_id=device_id, reason="rotated", actor=actor)
    if not was_alive:
        raise Invalid(f"Device {device_id} is revoked. Issue a new one.", field="device_id")
    life = None if old.expires_at is None else old.expires_at - old.created_at
    new, secret = _insert(
        tx,
        account_id=old.account_id,
        mailbox_id=old.mailbox_id,
        label=old.label,
        scopes=old.scopes,
        expires_at=None if life is None else tx.now + life,
        via=via,
        actor=actor,
        rotated_from=old.id,
    )
    _record(tx, new, "device:secret:rotated", actor, {"rotated_from": old.id})
    return new, secret


def get(tx: Tx, *, account_id: int | None = None, device_id: int) -> Device:
    """Return a device, of this account if one is named.

    Raises NotFound, also for another account's.
    """
    missing = NotFound(f"There is no device {device_id}. See: davserver device list")
    if not 0 < device_id <= _LARGEST_ID:
        raise missing  # no database can even be asked for it
    query = _query(account_id).where(devices.c.id == device_id)
    row = tx.connection.execute(query).one_or_none()
    if row is None:
        raise missing
    return _device(row)


def list_devices(tx: Tx, *, account_id: int | None = None) -> list[Device]:
    """Return every device, or every one of an account, whatever its state, oldest first."""
    query = _query(account_id).order_by(devices.c.id)
    return [_device(row) for row in tx.connection.execute(query)]


def hash_secret(secret: str) -> bytes:
    """Return what is kept of a secret, and what it is found by."""
    return hashlib.sha256(secret.encode()).digest()


def _insert(
    tx: Tx,
    *,
    account_id: int,
    mailbox_id: int | None,
    label: str,
    scopes: frozenset[Scope],
    expires_at: datetime | None,
    via: Surface,
    actor: Actor,
    rotated_from: int | None = None,
) -> tuple[Device, str]:
    secret = new_secret(tx.random, SECRET_PREFIX)
    row = tx.connection.execute(
        insert(devices)
        .values(
            account_id=account_id,
            mailbox_id=mailbox_id,
            label=label,
            scopes=tuple(scopes),
            secret_hash=hash_secret(secret),
            issued_via=via,
            issued_by_type=actor.type,
            issued_by_id=actor.id,
            issued_by_label=actor.label,
            created_at=tx.now,
            expires_at=expires_at,
            rotated_from=rotated_from,
        )
        .returning(*_SHOWN)
    ).one()
    return _device(row), secret


def _expiry(now: datetime, days: int | None) -> datetime | None:
    if days is None:
        return None
    if not 1 <= days <= _LONGEST_LIFE_DAYS:
        raise Invalid(
            f"A device may live 1 to {_LONGEST_LIFE_DAYS} days, or without an end.",
            field="expires_in_days",
        )
    return now + timedelta(days=days)


def _record(
    tx: Tx, device: Device, action: str, actor: Actor, metadata: Mapping[str, object]
) -> None:
    target = Target(type="device", id=device.id, label=device.label)
    event = Event(Category.SECURITY, action, actor, target, metadata=metadata)
    record(tx, event, account_id=device.account_id)


def _query(account_id: int | None) -> Select[Any]:
    query = select(*_SHOWN)
    return query if account_id is None else query.where(devices.c.account_id == account_id)


def _device(row: Row[Any]) -> Device:
    return Device(
        id=row.id,
        account_id=row.account_id,
        mailbox_id=row.mailbox_id,
        label=row.label,
        scopes=parse_scopes(row.scopes),
        issued_via=Surface(row.issued_via),
        issued_by=row.issued_by_label,
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )
