"""The schema of identity on one page: who there is, and what each holds to sign in with."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
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

from storage.schema import BigId, UtcTime, Words, metadata, numbered_table, reference

# --- Who there is ---------------------------------------------------------------------------

plans = numbered_table(
    "plans",
    Column("name", String(32), nullable=False, unique=True),
    Column("pool_bytes", BigInteger),  # null: no limit; so for each of these
    Column("max_domains", Integer),
    Column("max_mailboxes", Integer),
    Column("max_devices", Integer),
    Column("max_tokens", Integer),
    Column("allowed_scopes", Words, nullable=False),
)

accounts = numbered_table(
    "accounts",
    Column("name", String(64), nullable=False, unique=True),
    reference("plans"),
    Column("region", String(32), nullable=False),
    Column("status", String(16), nullable=False),
    Column("verification_grace_until", UtcTime),
    Column("require_2fa", Boolean, nullable=False, server_default=false()),
    Column("delete_at", UtcTime),
    Column("created_at", UtcTime, nullable=False),
)

users = numbered_table(
    "users",
    Column("email", String(254), nullable=False, unique=True),  # always lower case
    Column("email_verified_at", UtcTime),
    Column("password_hash", String(72), nullable=False),
    Column("token_version", Integer, nullable=False, server_default="0"),
    Column("failed_count", Integer, nullable=False, server_default="0"),
    Column("locked_until", UtcTime),
    Column("created_at", UtcTime, nullable=False),
)

memberships = numbered_table(
    "memberships",
    reference("accounts", index=False),
    reference("users"),
    Column("role", String(24), nullable=False),
    Column("permissions", Words, nullable=False, server_default=""),
    Column("all_domains", Boolean, nullable=False, server_default=true()),
    Column("domain_ids", JSON, nullable=False, server_default="[]"),
    Column("status", String(16), nullable=False),
    reference("users", "invited_by", nullable=True),
    Column("created_at", UtcTime, nullable=False),
    UniqueConstraint("account_id", "user_id"),
)

domains = numbered_table(
    "domains",
    reference("accounts"),
    Column("name", String(253), nullable=False, unique=True),  # lower case, IDNA form
    Column("status", String(16), nullable=False),
    Column("spf_status", String(16)),
    Column("dkim_status", String(16)),
    Column("dmarc_status", String(16)),
    Column("dns_checked_at", UtcTime),
    Column("catch_all", String(320)),
    Column("note", String(120), nullable=False, server_default=""),
    Column("created_at", UtcTime, nullable=False),
)

mailboxes = numbered_table(
    "mailboxes",
    reference("accounts"),
    reference("domains", index=False),
    Column("local_part", String(64), nullable=False),
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
    UniqueConstraint("domain_id", "local_part"),
)

aliases = numbered_table(
    "aliases",
    reference("mailboxes"),
    reference("domains", index=False),
    Column("local_part", String(64), nullable=False),
    Column("can_receive", Boolean, nullable=False, server_default=true()),
    Column("can_send", Boolean, nullable=False, server_default=false()),
    Column("is_active", Boolean, nullable=False, server_default=true()),
    Column("expires_at", UtcTime),
    Column("note", String(120), nullable=False, server_default=""),
    Column("created_at", UtcTime, nullable=False),
    UniqueConstraint("domain_id", "local_part"),
)

blocked_senders = numbered_table(
    "blocked_senders",
    reference("mailboxes"),
    reference("aliases", "alias_id", nullable=True),  # null: for the whole mailbox
    Column("pattern", String(320), nullable=False),
    Column("created_at", UtcTime, nullable=False),
)

shared_members = numbered_table(
    "shared_members",
    reference("mailboxes", "shared_mailbox_id", index=False),
    reference("mailboxes", "member_mailbox_id"),
    Column("can_send", Boolean, nullable=False, server_default=false()),
    Column("created_at", UtcTime, nullable=False),
    UniqueConstraint("shared_mailbox_id", "member_mailbox_id"),
    CheckConstraint("shared_mailbox_id <> member_mailbox_id", name="not_itself"),
)

retired_addresses = numbered_table(
    "retired_addresses",
    Column("address", String(320), nullable=False, unique=True),
    Column("retired_at", UtcTime, nullable=False),
)

invites = numbered_table(
    "invites",
    reference("accounts"),
    reference("domains"),
    Column("local_part", String(64)),  # null: the invited person chooses
    Column("recipient_email", String(254), nullable=False),
    Column("token_hash", LargeBinary(32), nullable=False, unique=True),
    Column("storage_allocation_bytes", BigInteger),
    Column("status", String(16), nullable=False),
    reference("users", "created_by", nullable=True),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
)

delete_intents = numbered_table(
    "delete_intents",
    reference("accounts"),
    reference("mailboxes", nullable=True),
    reference("domains", nullable=True),
    reference("users", "created_by", nullable=True),
    Column("risk_flags", Words, nullable=False),
    Column("status", String(16), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    CheckConstraint("(mailbox_id IS NULL) <> (domain_id IS NULL)", name="one_target"),
)

# --- What each holds ------------------------------------------------------------------------

devices = numbered_table(
    "devices",
    reference("accounts", index=False),
    reference("mailboxes", nullable=True),
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
    reference("devices", "rotated_from", nullable=True),
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
    reference("mailboxes"),
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
    reference("accounts"),
    reference("users", "created_by", nullable=True),
    Column("name", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("prefix", String(8), nullable=False, index=True),
    Column("secret_hash", LargeBinary(32), nullable=False, unique=True),
    Column("hash_alg", String(16), nullable=False),
    Column("scopes", Words, nullable=False),
    Column("domain_ids", JSON),  # null: all of the account's; so for mailbox_ids
    Column("mailbox_ids", JSON),
    reference("mailboxes", nullable=True),
    Column("daily_limit", Integer),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime),
    Column("last_used_at", UtcTime),
    Column("last_used_ip", String(45)),
    Column("revoked_at", UtcTime),
)

token_day_counts = Table(
    "token_day_counts",
    metadata,
    Column("token_id", BigId, ForeignKey("api_tokens.id"), primary_key=True),
    Column("day", String(10), primary_key=True),  # 2026-11-20, in UTC
    Column("count", Integer, nullable=False, server_default="0"),
)

sessions = numbered_table(
    "sessions",
    Column("sid", String(43), nullable=False, unique=True),
    reference("users", nullable=True),
    reference("mailboxes", nullable=True),
    Column("token_version", Integer, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("last_seen_at", UtcTime, nullable=False),
    Column("absolute_expires_at", UtcTime, nullable=False),
    Column("ip", String(45)),
    Column("user_agent", String(200)),
    Column("mfa_at", UtcTime),
    Column("revoked_at", UtcTime),
    Column("revoked_reason", String(64)),
    CheckConstraint("(user_id IS NULL) <> (mailbox_id IS NULL)", name="one_principal"),
)

totp_secrets = numbered_table(
    "totp_secrets",
    reference("users", nullable=True, index=False),
    reference("mailboxes", nullable=True, index=False),
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
    reference("users", nullable=True),
    reference("mailboxes", nullable=True),
    Column("kind", String(16), nullable=False),
    Column("hash", Text, nullable=False),  # sealed besides: these are short enough to guess
    Column("created_at", UtcTime, nullable=False),
    Column("used_at", UtcTime),
    Column("replaced_at", UtcTime),
    CheckConstraint("(user_id IS NULL) <> (mailbox_id IS NULL)", name="one_owner"),
)

signed_links = numbered_table(
    "signed_links",
    reference("users", nullable=True),
    reference("mailboxes", nullable=True),
    reference("invites", nullable=True),
    Column("purpose", String(24), nullable=False),
    Column("address", String(254), nullable=False),  # the address that following it proves
    Column("nonce", LargeBinary(16), nullable=False, unique=True),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("used_at", UtcTime),
)

attempts = numbered_table(
    "attempts",
    Column("kind", String(24), nullable=False),
    Column("subject", String(320), nullable=False),  # an address block, or a name that was tried
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("window_started_at", UtcTime, nullable=False),
    Column("blocked_until", UtcTime),
    UniqueConstraint("kind", "subject"),
)

# --- Keys: their names and states; never their bytes -----------------------------------------

encryption_keys = Table(
    "encryption_keys",
    metadata,
    Column("key_id", String(32), primary_key=True),
    Column("algorithm", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("retired_at", UtcTime),
)

stored_secrets = numbered_table(
    "stored_secrets",
    reference("accounts", index=False),
    Column("owner_type", String(16), nullable=False),
    Column("owner_id", BigId, nullable=False),
    Column("kind", String(24), nullable=False),
    Column("sealed", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("last_read_at", UtcTime),
    UniqueConstraint("account_id", "owner_type", "owner_id", "kind"),
)
