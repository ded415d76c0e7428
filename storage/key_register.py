"""Which keys have sealed something in this database: their names and states, never their bytes.

A key that was lost must not be replaced in silence: what it sealed would stay unreadable, and
nobody would know until it is asked for. `keys.py` holds the keys themselves.
"""

from __future__ import annotations

from sqlalchemy import Column, String, Table, insert, inspect, select, update

from storage.db import Database, Tx
from storage.errors import Misconfigured
from storage.keys import ALGORITHM, Keyring
from storage.schema import UtcTime, exact, metadata, one_of

encryption_keys = Table(
    "encryption_keys",
    metadata,
    Column("key_id", exact(32), primary_key=True),
    Column("algorithm", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("retired_at", UtcTime),
    one_of("state", "active", "decrypt_only", "retired"),
)


def list_needed(tx: Tx) -> list[str]:
    """Return the names of the keys that something may be sealed by, the active one first.

    None are needed in a database that is new, or has no schema yet.
    """
    if not inspect(tx.connection).has_table(encryption_keys.name):
        return []
    query = (
        select(encryption_keys.c.key_id)
        .where(encryption_keys.c.state != "retired")
        .order_by(encryption_keys.c.state, encryption_keys.c.key_id)
    )
    return list(tx.connection.scalars(query))


def register(database: Database, keyring: Keyring) -> None:
    """Note the keys at hand, and refuse to go on without one that is needed.

    Raises Misconfigured with the name of the missing key.
    """
    if database.read(lambda tx: _changes(tx, keyring)):
        database.write(lambda tx: _register(tx, keyring))


def _register(tx: Tx, keyring: Keyring) -> None:
    tx.serialise_on("key register", 0)
    known = {row.key_id for row in tx.connection.execute(select(encryption_keys.c.key_id))}
    for key_id, state in _changes(tx, keyring).items():
        if key_id in known:
            change = update(encryption_keys).where(encryption_keys.c.key_id == key_id)
            tx.connection.execute(change.values(state=state, retired_at=None))
        else:
            values = {"algorithm": ALGORITHM, "state": state, "created_at": tx.now}
            tx.connection.execute(insert(encryption_keys).values(key_id=key_id, **values))


def _changes(tx: Tx, keyring: Keyring) -> dict[str, str]:
    """Return the keys whose state is not yet what the keyring says. Raises Misconfigured."""
    query = select(encryption_keys.c.key_id, encryption_keys.c.state)
    noted: dict[str, str] = {row.key_id: row.state for row in tx.connection.execute(query)}
    for key_id, state in sorted(noted.items()):
        if state != "retired" and keyring.find(key_id) is None:
            raise Misconfigured(
                f"The key {key_id} has sealed secrets in this database, but is not among the keys "
                "at hand: put it back from your copy of the key file, below the keys that are "
                "there."
            )
    wanted = {key.key_id: "decrypt_only" for key in keyring.others}
    wanted[keyring.active.key_id] = "active"
    return {
        key_id: state
        for key_id, state in wanted.items()
        if noted.get(key_id) != state
        and not (noted.get(key_id) == "retired" and state == "decrypt_only")
    }
