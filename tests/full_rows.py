"""One row in every table, with the longest legal value in every column."""

from datetime import UTC, datetime

from sqlalchemy import JSON, Boolean, Integer, LargeBinary, String, Text, insert

import storage.audit
import storage.drive.tables
import storage.identity.tables
import storage.key_register  # noqa: F401 (importing registers the tables)
from storage.schema import UtcTime, Words, metadata
from storage.scopes import Scope

WIDE = "\N{MATHEMATICAL SCRIPT CAPITAL A}"  # four bytes in UTF-8, two units in UTF-16
LATEST = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
# Where rules leave no choice.
CHOSEN = {
    "accounts": {"status": "suspended"},
    "addresses": {"kind": "mailbox"},
    "aliases": {"address_kind": "alias", "local_part": "alias"},
    "api_tokens": {"kind": "message"},
    "blobs": {"state": "stored"},
    "delete_intents": {"domain_id": None, "status": "cancelled"},
    "domains": {"status": "pending_dns"},
    "encryption_keys": {"state": "decrypt_only"},
    "invites": {"status": "cancelled"},
    "locks": {"scope": "exclusive", "depth": "infinity"},
    "mailboxes": {"address_kind": "mailbox", "status": "suspended", "type": "regular"},
    "memberships": {"status": "suspended"},
    "nodes": {"kind": "folder", "parent_id": None},
    "recovery_codes": {"user_id": None},
    "sessions": {"user_id": None},
    "spaces": {"kind": "mailbox_personal"},
    "totp_secrets": {"user_id": None},
    "uploads": {"state": "initiated"},
}


def fill(tx):
    """Write them all."""
    ids = {}
    for table in metadata.sorted_tables:
        if table.name == "aliases":
            alias = {"domain_id": ids["domains"], "local_part": "alias", "kind": "alias"}
            tx.connection.execute(insert(metadata.tables["addresses"]).values(alias))
        if table.name == "shared_members":
            continue  # needs two mailboxes; all of its columns are ids
        values = {
            column.name: _longest(column, ids) for column in table.columns if column.name != "id"
        } | CHOSEN.get(table.name, {})
        statement = insert(table).values(values)
        if "id" in table.columns:
            ids[table.name] = tx.connection.execute(statement.returning(table.c.id)).scalar_one()
        else:
            tx.connection.execute(statement)


def count_rows(tx):
    """How many rows each table has."""
    return {
        table.name: tx.connection.exec_driver_sql(f"SELECT count(*) FROM {table.name}").scalar()
        for table in metadata.sorted_tables
    }


def _longest(column, ids):
    key = next((key for key in column.foreign_keys if key.column.name == "id"), None)
    if key is not None:
        return ids.get(key.column.table.name)
    kind = column.type
    if isinstance(kind, UtcTime):
        return LATEST
    if isinstance(kind, Words):
        return tuple(Scope)
    if isinstance(kind, LargeBinary):
        return b"\xff" * kind.length
    if isinstance(kind, Boolean):
        return True
    if isinstance(kind, JSON):
        return [2**53]
    if isinstance(kind, Text):
        return WIDE * 100_000
    if isinstance(kind, String):
        return WIDE * kind.length
    assert isinstance(kind, Integer)
    return 2**63 - 1 if kind.__visit_name__ == "big_integer" else 2**31 - 1
