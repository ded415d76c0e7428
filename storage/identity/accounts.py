"""Accounts, and the people in them."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, Select, insert, select
from sqlalchemy.exc import IntegrityError

from storage.audit import Actor, Category, Event, Target, record
from storage.db import Tx
from storage.errors import AlreadyExists, Invalid, NotFound
from storage.identity.names import clean_name
from storage.identity.tables import accounts, memberships, plans, users

DEFAULT_PLAN = "unlimited"
_LONGEST_EMAIL = 254
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)*")


class AccountStatus(StrEnum):
    """Where an account stands."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    DELETING = "deleting"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Account:
    """An account as listings show it."""

    id: int
    name: str
    plan: str
    status: AccountStatus
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Owner:
    """The person that an account was opened for."""

    id: int
    email: str


def create(
    tx: Tx,
    *,
    name: str,
    owner_email: str,
    owner_password_hash: str,
    plan: str = DEFAULT_PLAN,
    region: str = "local",
    actor: Actor,
) -> tuple[Account, Owner]:
    """Open an account with its owner.

    Raises Invalid for a name or address that can't be one, NotFound for an unknown plan,
    AlreadyExists when the name or the address is taken.
    """
    name, email = _clean_account_name(name), clean_email(owner_email)
    plan_id = tx.connection.scalar(select(plans.c.id).where(plans.c.name == plan))
    if plan_id is None:
        known = ", ".join(tx.connection.scalars(select(plans.c.name).order_by(plans.c.id)))
        raise NotFound(f"There is no plan {plan!r}. These exist: {known}.")
    account_id = _insert_account(tx, name=name, plan_id=plan_id, region=region)
    user_id = _insert_user(tx, email=email, password_hash=owner_password_hash)
    tx.connection.execute(
        insert(memberships).values(
            account_id=account_id,
            user_id=user_id,
            role="owner",
            status="active",
            created_at=tx.now,
        )
    )
    target = Target(type="account", id=account_id, label=name)
    event = Event(
        category=Category.ADMIN,
        action="account:self:created",
        actor=actor,
        target=target,
        metadata={"owner": email, "plan": plan},
    )
    record(tx, event, account_id=account_id)
    account = Account(account_id, name, plan, AccountStatus.ACTIVE, tx.now)
    return account, Owner(user_id, email)


def list_accounts(tx: Tx) -> list[Account]:
    """Return every account, oldest first."""
    rows = tx.connection.execute(_account_query().order_by(accounts.c.id))
    return [_account(row) for row in rows]


def get_by_name(tx: Tx, name: str) -> Account:
    """Return the account of that name. Raises NotFound."""
    missing = NotFound(f"There is no account {name!r}. See: davserver account list")
    try:
        name = _clean_account_name(name)
    except Invalid:
        raise missing from None  # no account can have such a name
    row = tx.connection.execute(_account_query().where(accounts.c.name == name)).one_or_none()
    if row is None:
        raise missing
    return _account(row)


def get_owner(tx: Tx, account_id: int) -> Owner:
    """Return the owner who has been there longest. Raises NotFound."""
    row = tx.connection.execute(
        select(users.c.id, users.c.email)
        .join(memberships, memberships.c.user_id == users.c.id)
        .where(memberships.c.account_id == account_id)
        .where(memberships.c.role == "owner", memberships.c.status == "active")
        .order_by(memberships.c.id)
        .limit(1)
    ).one_or_none()
    if row is None:
        raise NotFound("This account has no active owner.")
    return Owner(row.id, row.email)


def clean_email(email: str) -> str:
    """Return an e-mail address in the one form that is stored. Raises Invalid.

    Only the shape is looked at; that it works is proved by a link sent to it.
    """
    email = unicodedata.normalize("NFC", email).strip().lower()
    has_hidden_signs = any(unicodedata.category(sign)[0] == "C" for sign in email)
    if len(email) > _LONGEST_EMAIL or has_hidden_signs or not _EMAIL.fullmatch(email):
        raise Invalid(
            f"{email[:_LONGEST_EMAIL]!r} is no e-mail address; one looks like mary@example.org.",
            field="email",
        )
    return email


def _clean_account_name(name: str) -> str:
    return clean_name(name, what="An account's name", field="name")


def _account_query() -> Select[Any]:
    return select(
        accounts.c.id,
        accounts.c.name,
        plans.c.name.label("plan"),
        accounts.c.status,
        accounts.c.created_at,
    ).join(plans, plans.c.id == accounts.c.plan_id)


def _account(row: Row[Any]) -> Account:
    return Account(row.id, row.name, row.plan, AccountStatus(row.status), row.created_at)


def _insert_account(tx: Tx, *, name: str, plan_id: int, region: str) -> int:
    values = {
        "name": name,
        "plan_id": plan_id,
        "region": region,
        "status": AccountStatus.ACTIVE,
        "created_at": tx.now,
    }
    try:
        account_id: int = tx.connection.execute(
            insert(accounts).values(values).returning(accounts.c.id)
        ).scalar_one()
    except IntegrityError:
        raise AlreadyExists(f"There is an account {name!r} already; choose another name.") from None
    return account_id


def _insert_user(tx: Tx, *, email: str, password_hash: str) -> int:
    values = {"email": email, "password_hash": password_hash, "created_at": tx.now}
    try:
        user_id: int = tx.connection.execute(
            insert(users).values(values).returning(users.c.id)
        ).scalar_one()
    except IntegrityError:
        raise AlreadyExists(
            f"{email} signs in to another account already; choose another address."
        ) from None
    return user_id
