"""Addresses in use: each belongs to one mailbox or one alias, never to both."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import delete, insert
from sqlalchemy.exc import IntegrityError

from storage.db import Tx
from storage.errors import AlreadyExists
from storage.identity.tables import addresses


class AddressKind(StrEnum):
    """What an address leads to."""

    ALIAS = "alias"
    MAILBOX = "mailbox"


def claim(tx: Tx, *, domain_id: int, local_part: str, kind: AddressKind) -> None:
    """Take an address, before the row that has it is made.

    Raises AlreadyExists when a mailbox or an alias has it.
    """
    values = {"domain_id": domain_id, "local_part": local_part, "kind": kind}
    try:
        tx.connection.execute(insert(addresses).values(values))
    except IntegrityError:
        raise AlreadyExists(
            f"The address {local_part!r} of this domain is in use; choose another."
        ) from None


def free(tx: Tx, *, domain_id: int, local_part: str) -> None:
    """Give an address back, after the row that had it is gone."""
    tx.connection.execute(
        delete(addresses).where(
            addresses.c.domain_id == domain_id, addresses.c.local_part == local_part
        )
    )
