"""Accounts, devices and mailboxes as bare rows: the drive only needs them to be there."""

from __future__ import annotations

from sqlalchemy import insert, select

from storage.audit import Actor
from storage.identity.tables import accounts, addresses, devices, domains, mailboxes, plans


def make_account(tx, name):
    plan_id = tx.connection.scalar(select(plans.c.id).limit(1))
    values = {
        "name": name, "plan_id": plan_id, "region": "local", "status": "active",
        "created_at": tx.now,
    }  # fmt: skip
    return tx.connection.execute(insert(accounts).values(values).returning(accounts.c.id)).scalar()


def make_device(tx, account_id, label):
    values = {
        "account_id": account_id, "label": label, "scopes": ("drive:account:read",),
        "secret_hash": tx.random(32), "issued_via": "cli", "issued_by_type": "system",
        "issued_by_label": "test", "created_at": tx.now,
    }  # fmt: skip
    device_id = tx.connection.execute(insert(devices).values(values).returning(devices.c.id))
    return Actor(type="device", id=device_id.scalar(), label=label)


def make_mailbox(tx, account_id):
    domain = {
        "account_id": account_id, "name": f"{account_id}.example", "status": "active",
        "created_at": tx.now,
    }  # fmt: skip
    domain_id = tx.connection.execute(insert(domains).values(domain).returning(domains.c.id))
    address = {"domain_id": domain_id.scalar(), "local_part": "alice", "kind": "mailbox"}
    tx.connection.execute(insert(addresses).values(address))
    mailbox = {
        "account_id": account_id, "domain_id": address["domain_id"], "local_part": "alice",
        "type": "regular", "status": "active", "drive_access": "full",
        "client_auth_mode": "app_password_only", "created_at": tx.now,
    }  # fmt: skip
    made = insert(mailboxes).values(mailbox).returning(mailboxes.c.id)
    return tx.connection.execute(made).scalar()
