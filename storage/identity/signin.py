"""A presented device secret in, a Principal out, or BadCredentials.

One indexed statement brings the device with its account, mailbox and plan, on every request:
nothing that it says is remembered, so a revocation works from the next request on, in every
process. A typo or a foreign string is refused by its checksum, without asking the database.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, bindparam, select

from storage.db import Tx
from storage.errors import BadCredentials
from storage.identity.devices import SECRET_PREFIX, hash_secret
from storage.identity.tables import accounts, devices, mailboxes, plans
from storage.principal import Principal, SignedInBy
from storage.randomness import is_well_formed_secret
from storage.scopes import ACCOUNT_DRIVE, MAILBOX_DRIVE, Scope, parse_scopes

NO_SCOPES: frozenset[Scope] = frozenset()


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who is asking, and how much the drive may take up for them; None: no limit."""

    principal: Principal
    pool_bytes: int | None
    allocation_bytes: int | None


class DeadSecret(BadCredentials):
    """The secret was a device's once. It is counted on that device's row and nowhere else."""

    def __init__(self, reason: str, *, device_id: int) -> None:
        super().__init__(reason)
        self.device_id = device_id


_BY_SECRET = (
    select(
        devices.c.id, devices.c.account_id, devices.c.mailbox_id, devices.c.label,
        devices.c.scopes, devices.c.expires_at, devices.c.dies_at, devices.c.revoked_at,
        accounts.c.status.label("account_status"),
        plans.c.allowed_scopes, plans.c.pool_bytes,
        mailboxes.c.id.label("found_mailbox_id"), mailboxes.c.status.label("mailbox_status"),
        mailboxes.c.login_suspended_at, mailboxes.c.trashed_at, mailboxes.c.drive_access,
        mailboxes.c.storage_allocation_bytes,
    )
    .join(accounts, accounts.c.id == devices.c.account_id)
    .join(plans, plans.c.id == accounts.c.plan_id)
    .outerjoin(
        mailboxes,
        and_(
            mailboxes.c.id == devices.c.mailbox_id,
            mailboxes.c.account_id == devices.c.account_id,
        ),
    )
    .where(devices.c.secret_hash == bindparam("secret_hash"))
)  # fmt: skip


def sign_in(tx: Tx, *, secret: str) -> SignedIn:
    """Return who holds this secret, with what they may do at this moment.

    Raises BadCredentials for a string that is no device's, DeadSecret for one that was: revoked,
    expired, or of a mailbox or account that may not sign in.
    """
    if not is_well_formed_secret(secret, SECRET_PREFIX):
        raise BadCredentials("malformed secret")
    row = tx.connection.execute(_BY_SECRET, {"secret_hash": hash_secret(secret)}).one_or_none()
    if row is None:
        raise BadCredentials("unknown secret")
    reason = _why_dead(row, tx.now)
    if reason is not None:
        raise DeadSecret(reason, device_id=row.id)
    principal = Principal(
        account_id=row.account_id,
        actor_type="device",
        actor_id=row.id,
        actor_label=row.label,
        signed_in_by=SignedInBy.DEVICE,
        scopes=_effective_scopes(row),
        mailbox_id=row.mailbox_id,
        device_id=row.id,
    )
    return SignedIn(principal, row.pool_bytes, row.storage_allocation_bytes)


def _why_dead(row: Row[*tuple[Any, ...]], now: datetime) -> str | None:  # Any: all types
    if row.revoked_at is not None:
        return "revoked"
    if any(end is not None and end <= now for end in (row.expires_at, row.dies_at)):
        return "expired"
    if row.account_status != "active":
        return f"account {row.account_status}"
    if row.mailbox_id is None:
        return None
    if row.found_mailbox_id is None:
        return "mailbox of another account"
    if row.mailbox_status != "active" or row.trashed_at is not None:
        return f"mailbox {row.mailbox_status}"
    return None if row.login_suspended_at is None else "sign-in suspended"


def _effective_scopes(row: Row[*tuple[Any, ...]]) -> frozenset[Scope]:  # Any: all types
    """Return what the device asked for, cut to what plan and mailbox allow today."""
    scopes = parse_scopes(row.scopes) & parse_scopes(row.allowed_scopes)
    if row.mailbox_id is None:
        return scopes & ACCOUNT_DRIVE
    return scopes & MAILBOX_DRIVE if row.drive_access == "full" else NO_SCOPES
