"""The schema of identity on one page: who there is, and what each holds to sign in with."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    true,
)
from sqlalchemy.schema import SchemaItem

from storage.schema import (
    BigId,
    UtcTime,
    Words,
    exact,
    metadata,
    numbered_table,
    one_of,
    reference,
)

# --- Who there is ---------------------------------------------------------------------------

plans = numbered_table(
    "plans",
    Column("name", exact(32), nullable=False, unique=True),
    Column("pool_bytes", BigInteger),  # null: no limit; so for each of these
    Column("max_domains", Integer),
    Column("max_mailboxes", Integer),
    Column("max_devices", Integer),
    Column("max_tokens", Integer),
    Column("allowed_scopes", Words, nullable=False),
)

accounts = numbered_table(
    "accounts",
    Column("name", exact(64), nullable=False, unique=True),
    reference("plan_id", "plans"),
    Column("region", String(32), nullable=False),
    Column("status", String(16), nullable=False),
    Column("verification_grace_until", UtcTime),
    Column("require_2fa", Boolean, nullable=False, server_default=false()),
    Column("delete_at", UtcTime),
    Column("created_at", UtcTime, nullable=False),
    one_of("status", "active", "suspended", "deleting", "deleted"),
)

users = numbered_table(
    "users",
    Column("email", exact(254), nullable=False, unique=True),  # always lower case
    Column("email_verified_at", UtcTime),
    Column("password_hash", String(72), nullable=False),
    Column("token_version", Integer, nullable=False, server_default="0"),
    Column("failed_count", Integer, nullable=False, server_default="0"),
    Column("locked_until", UtcTime),
    Column("created_at", UtcTime, nullable=False),
)

memberships = numbered_table(
    "memberships",
    reference("account_id", "accounts", index=False),
    reference("user_id", "users"),
    Column("role", String(24), nullable=False),
    Column("permissions", Words, nullable=False, server_default=""),
    Column("all_domains", Boolean, nullable=False, server_default=true()),
    Column("domain_ids", JSON, nullable=False, server_default="[]"),
    Column("status", String(16), nullable=False),
    reference("invited_by", "users", nullable=True),
    Column("created_at", UtcTime, nullable=False),
    UniqueConstraint("account_id", "user_id"),
    one_of("status", "pending", "active", "suspended", "revoked"),
)

domains = numbered_table(
    "domains",
    reference("account_id", "accounts"),
    Column("name", exact(253), nullable=False, unique=True),  # lower case, IDNA form
    Column("status", String(16), nullable=False),
    Column("spf_status", String(16)),
    Column("dkim_status", String(16)),
    Column("dmarc_status", String(16)),
    Column("dns_checked_at", UtcTime),
    Column("catch_all", String(320)),
    Column("note", String(120), nullable=False, server_default=""),
    Column("created_at", UtcTime, nullable=False),
    one_of("status", "pending_dns", "active", "suspended"),
)

# One row for each address in use, so that no mailbox and alias can share one: each points here
# with a kind that is always its own. `addresses.py` claims and frees them.
addresses = Table(
    "addresses",
    metadata,
    Column("domain_id", BigId, ForeignKey("domains.id"), primary_key=True),
    Column("local_part", exact(64), primary_key=True),
    Column("kind", exact(8), nullable=False),
    UniqueConstraint("domain_id", "local_part", "kind"),  # what the foreign keys point at
    one_of("kind", "mailbox", "alias"),
)


def _own_address(kind: str) -> tuple[SchemaItem, ...]:
    """Return the columns of an address that belongs to nothing but this kind of row."""
    names = ("domain_id", "local_part", "address_kind")
    return (
        reference("domain_id", "domains", index=False),
        Column("local_part", exact(64), nullable=False),
        Column("address_kind", exact(8), nullable=False, server_default=kind),
        one_of("address_kind", kind),
        UniqueConstraint("domain_id", "local_part"),
        ForeignKeyConstraint(
            names, ["addresses.domain_id", "addresses.local_part", "addresses.kind"]
        ),
    )


mailboxes = numbered_table(
    "mailboxes",
    reference("account_id", "accounts"),
    *_own_address("mailbox"),
    Column("type", String(16), nullable=False),
    Column("display_name", String(120), nullable=False, server_default=""),
    Column("password_hash", String(72)),  # null until an invite is redeemed
    Column("status", String(16), nullable=False),
    Column("disabled_reason", String(120)),
    Column("login_suspended_at", UtcTime),
    Column("login_suspended_reason", String(120)),
    Column("drive_access", String(24), nullable=False),
    Column("client_auth_mode", String(32), nullable=False),
    Column("storage_allocation_bytes", BigInteger),  # null: whatever the pool has left
    Column("recovery_email", String(254)),
    Column("token_version", Integer, nullable=False, server_default="0"),
    Column("failed_count", Integer, nullable=False, server_default="0"),
    Column("locked_until", UtcTime),
    Column("trashed_at", UtcTime),
    Column("note", String(120), nullable=False, server_default=""),
    Column("created_at", UtcTime, nullable=False),
    one_of("type", "regular", "shared"),
    one_of("status", "active", "disabled", "suspended", "trashed", "deleting", "deleted"),
)

aliases = numbered_table(
    "aliases",
    reference("mailbox_id", "mailboxes"),
    *_own_address("alias"),
    Column("can_receive", Boolean, nullable=False, server_default=true()),
    Column("can_send", Boolean, nullable=False, server_default=false()),
    Column("is_active", Boolean, nullable=False, server_default=true()),
    Column("expires_at", UtcTime),
    Column("note", String(120), nullable=False, server_default=""),
    Column("created_at", UtcTime, nullable=False),
)

blocked_senders = numbered_table(
    "blocked_senders",
    reference("mailbox_id", "mailboxes"),
    reference("alias_id", "aliases", nullable=True),  # null: for the whole mailbox
    Column("pattern", String(320), nullable=False),
    Column("created_at", UtcTime, nullable=False),
)

shared_members = numbered_table(
    "shared_members",
    reference("shared_mailbox_id", "mailboxes", index=False),
    reference("member_mailbox_id", "mailboxes"),
    Column("can_send", Boolean, nullable=False, server_default=false()),
    Column("created_at", UtcTime, nullable=False),
    UniqueConstraint("shared_mailbox_id", "member_mailbox_id"),
    CheckConstraint("shared_mailbox_id <> member_mailbox_id", name="not_itself"),
)

retired_addresses = numbered_table(
    "retired_addresses",
    Column("address", exact(320), nullable=False, unique=True),
    Column("retired_at", UtcTime, nullable=False),
)

invites = numbered_table(
    "invites",
    reference("account_id", "accounts"),
    reference("domain_id", "domains"),
    Column("local_part", exact(64)),  # null: the invited person chooses
    Column("recipient_email", String(254), nullable=False),
    Column("token_hash", LargeBinary(32), nullable=False, unique=True),
    Column("storage_allocation_bytes", BigInteger),
    Column("status", String(16), nullable=False),
    reference("created_by", "users", nullable=True),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    one_of("status", "pending", "redeemed", "expired", "cancelled"),
)

delete_intents = numbered_table(
    "delete_intents",
    reference("account_id", "accounts"),
    reference("mailbox_id", "mailboxes", nullable=True),
    reference("domain_id", "domains", nullable=True),
    reference("created_by", "users", nullable=True),
    Column("risk_flags", Words, nullable=False),
    Column("status", String(16), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    CheckConstraint("(mailbox_id IS NULL) <> (domain_id IS NULL)", name="one_target"),
    one_of("status", "pending", "confirmed", "expired", "cancelled"),
)

# --- What each holds ------------------------------------------------------------------------

devices = numbered_table(
    "devices",
    reference("account_id", "accounts", index=False),
    reference("mailbox_id", "mailboxes", nullable=True),
    Column("label", String(64), nullable=False),
    Column("scopes", Words, nullable=False),
    Column("secret_hash", LargeBinary(32), nullable=False, unique=True),
    Column("issued_via", String(16), nullable=False),
    Column("issued_by_type", String(16), nullable=False),
    Column("issued_by_id", BigId),
    Column("issued_by_label", String(320), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime),
    Column("last_used_at", UtcTime),
    Column("last_used_ip", String(45)),
    Column("last_used_client", String(200)),
    Column("revoked_at", UtcTime),
    Column("revoked_by", String(320)),
    Column("revoked_reason", String(64)),
    reference("rotated_from", "devices", nullable=True),
    Column("dies_at", UtcTime),  # rotated with an overlap: the old secret's deadline
    # A dead secret that keeps knocking is counted on its own row and nowhere else.
    Column("knock_count", BigInteger, nullable=False, server_default="0"),
    Column("first_knock_at", UtcTime),
    Column("last_knock_at", UtcTime),
    Column("last_knock_ip", String(45)),
    Index("ix_devices_account_id_created_at", "account_id", "created_at"),
)

app_passwords = numbered_table(
    "app_passwords",
    reference("mailbox_id", "mailboxes"),
    Column("name", String(64), nullable=False),
    Column("secret_hash", LargeBinary(32), nullable=False, unique=True),
    Column("created_via", String(16), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("last_used_at", UtcTime),
    Column("last_used_ip", String(45)),
    Column("last_used_protocol", String(16)),
    Column("revoked_at", UtcTime),
    Column("revoked_reason", String(64)),
)

api_tokens = numbered_table(
    "api_tokens",
    reference("account_id", "accounts"),
    reference("created_by", "users", nullable=True),
    Column("name", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("prefix", exact(8), nullable=False, index=True),
    Column("secret_hash", LargeBinary(32), nullable=False, unique=True),
    Column("hash_alg", String(16), nullable=False),
    Column("scopes", Words, nullable=False),
    Column("domain_ids", JSON),  # null: all of the account's; so for mailbox_ids
    Column("mailbox_ids", JSON),
    reference("mailbox_id", "mailboxes", nullable=True),
    Column("daily_limit", Integer),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime),
    Column("last_used_at", UtcTime),
    Column("last_used_ip", String(45)),
    Column("revoked_at", UtcTime),
    one_of("kind", "ops", "message"),
)

token_day_counts = Table(
    "token_day_counts",
    metadata,
    Column("token_id", BigId, ForeignKey("api_tokens.id"), primary_key=True),
    Column("day", exact(10), primary_key=True),  # 2026-11-20, in UTC
    Column("count", Integer, nullable=False, server_default="0"),
)

sessions = numbered_table(
    "sessions",
    Column("sid", exact(43), nullable=False, unique=True),
    reference("user_id", "users", nullable=True),
    reference("mailbox_id", "mailboxes", nullable=True),
    Column("token_version", Integer, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("last_seen_at", UtcTime, nullable=False),
    Column("absolute_expires_at", UtcTime, nullable=False, index=True),
    Column("ip", String(45)),
    Column("user_agent", String(200)),
    Column("mfa_at", UtcTime),
    Column("revoked_at", UtcTime),
    Column("revoked_reason", String(64)),
    CheckConstraint("(user_id IS NULL) <> (mailbox_id IS NULL)", name="one_principal"),
)

totp_secrets = numbered_table(
    "totp_secrets",
    reference("user_id", "users", nullable=True, index=False),
    reference("mailbox_id", "mailboxes", nullable=True, index=False),
    Column("secret", Text, nullable=False),  # sealed
    Column("created_at", UtcTime, nullable=False),
    Column("confirmed_at", UtcTime),
    Column("last_step", BigInteger),  # no code works twice
    UniqueConstraint("user_id"),
    UniqueConstraint("mailbox_id"),
    CheckConstraint("(user_id IS NULL) <> (mailbox_id IS NULL)", name="one_owner"),
)

recovery_codes = numbered_table(
    "recovery_codes",
    reference("user_id", "users", nullable=True),
    reference("mailbox_id", "mailboxes", nullable=True),
    Column("kind", String(16), nullable=False),
    Column("hash", Text, nullable=False),  # sealed besides: these are short enough to guess
    Column("created_at", UtcTime, nullable=False),
    Column("used_at", UtcTime),
    Column("replaced_at", UtcTime),
    CheckConstraint("(user_id IS NULL) <> (mailbox_id IS NULL)", name="one_owner"),
)

signed_links = numbered_table(
    "signed_links",
    reference("user_id", "users", nullable=True),
    reference("mailbox_id", "mailboxes", nullable=True),
    reference("invite_id", "invites", nullable=True),
    Column("purpose", String(24), nullable=False),
    Column("address", String(254), nullable=False),  # the address that following it proves
    Column("nonce", LargeBinary(16), nullable=False, unique=True),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("used_at", UtcTime),
)

attempts = numbered_table(
    "attempts",
    Column("kind", exact(24), nullable=False),
    Column("subject", exact(320), nullable=False),  # an address block, or a name that was tried
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("window_started_at", UtcTime, nullable=False, index=True),
    Column("blocked_until", UtcTime),
    UniqueConstraint("kind", "subject"),
)

# --- What is sealed (the register of keys stands in storage/key_register.py) ------------------

stored_secrets = numbered_table(
    "stored_secrets",
    reference("account_id", "accounts", index=False),
    Column("owner_type", exact(16), nullable=False),
    Column("owner_id", BigId, nullable=False),
    Column("kind", exact(24), nullable=False),
    Column("sealed", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("last_read_at", UtcTime),
    UniqueConstraint("account_id", "owner_type", "owner_id", "kind"),
)
