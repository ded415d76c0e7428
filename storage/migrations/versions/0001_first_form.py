"""The first form of the schema, with the plans that every install begins with."""

import sqlalchemy as sa
from alembic import op

from storage.schema import BigId, UtcTime, Words, exact

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


_GB = 10**9
_FILE_SCOPES = (
    "drive:account:purge drive:account:read drive:account:share drive:account:write "
    "drive:mailbox:purge drive:mailbox:read drive:mailbox:share drive:mailbox:write"
)
_PLANS = (
    # name, pool, domains, mailboxes, devices, tokens; None: no limit
    ("nano", 5 * _GB, 1, 5, 1000, 10),
    ("starter", 15 * _GB, 3, 25, 1000, 25),
    ("pro", 50 * _GB, 25, 250, 1000, 100),
    ("agency", 200 * _GB, 250, 2500, 1000, 500),
    ("unlimited", None, None, None, 1000, None),
)


def upgrade() -> None:
    op.create_table(
        "attempts",
        sa.Column("id", BigId, sa.Identity(), nullable=False),
        sa.Column("kind", exact(24), nullable=False),
        sa.Column("subject", exact(320), nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("window_started_at", UtcTime(), nullable=False),
        sa.Column("blocked_until", UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
        sa.UniqueConstraint("kind", "subject", name=op.f("uq_attempts_kind_subject")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_attempts_window_started_at"), "attempts", ["window_started_at"], unique=False
    )
    op.create_table(
        "audit_events",
        sa.Column("id", BigId, sa.Identity(), nullable=False),
        sa.Column("account_id", BigId, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("category", exact(16), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=True),
        sa.Column("actor_type", sa.String(length=16), nullable=True),
        sa.Column("actor_id", BigId, nullable=True),
        sa.Column("actor_label", sa.String(length=320), nullable=True),
        sa.Column("target_type", sa.String(length=24), nullable=True),
        sa.Column("target_id", BigId, nullable=True),
        sa.Column("target_label", sa.String(length=320), nullable=True),
        sa.Column("ip", sa.String(length=45), nullable=True),
        sa.Column("user_agent", sa.String(length=200), nullable=True),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("metadata", sa.Text(), nullable=True),
        sa.Column("content_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("prev_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_events")),
        sa.UniqueConstraint("account_id", "seq", name=op.f("uq_audit_events_account_id_seq")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_audit_events_account_id_at", "audit_events", ["account_id", "at"], unique=False
    )
    op.create_index("ix_audit_events_category_at", "audit_events", ["category", "at"], unique=False)
    op.create_table(
        "audit_heads",
        sa.Column("account_id", BigId, autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_audit_heads")),
    )
    op.create_table(
        "blobs",
        sa.Column("id", BigId, sa.Identity(), nullable=False),
        sa.Column("storage_key", exact(64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=True),
        sa.Column("sha1", sa.LargeBinary(length=20), nullable=True),
        sa.Column("md5", sa.LargeBinary(length=16), nullable=True),
        sa.Column("encryption", sa.Text(), nullable=True),
        sa.Column("scan_status", sa.String(length=16), server_default="none", nullable=False),
        sa.Column("state", exact(16), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.CheckConstraint(
            "state IN ('stored', 'released', 'orphan', 'gone')", name=op.f("ck_blobs_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_blobs")),
        sa.UniqueConstraint("storage_key", name=op.f("uq_blobs_storage_key")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_blobs_state_created_at", "blobs", ["state", "created_at"], unique=False)
    op.create_table(
        "encryption_keys",
        sa.Column("key_id", exact(32), nullable=False),
        sa.Column("algorithm", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("retired_at", UtcTime(), nullable=True),
        sa.CheckConstraint(
            "state IN ('active', 'decrypt_only', 'retired')", name=op.f("ck_encryption_keys_state")
        ),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_encryption_keys")),
    )
    plans = op.create_table(
        "plans",
        sa.Column("id", BigId, sa.Identity(), nullable=False),
        sa.Column("name", exact(32), nullable=False),
        sa.Column("pool_bytes", sa.BigInteger(), nullable=True),
        sa.Column("max_domains", sa.Integer(), nullable=True),
        sa.Column("max_mailboxes", sa.Integer(), nullable=True),
        sa.Column("max_devices", sa.Integer(), nullable=True),
        sa.Column("max_tokens", sa.Integer(), nullable=True),
        sa.Column("allowed_scopes", Words(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plans")),
        sa.UniqueConstraint("name", name=op.f("uq_plans_name")),
        sqlite_autoincrement=True,
    )
    columns = ("name", "pool_bytes", "max_domains", "max_mailboxes", "max_devices", "max_tokens")
    op.bulk_insert(
        plans,
        [
            dict(zip(columns, plan, strict=True)) | {"allowed_scopes": _FILE_SCOPES.split()}
            for plan in _PLANS
        ],
    )
    op.create_table(
        "retired_addresses",
        sa.Column("id", BigId, sa.Identity(), nullable=False),
        sa.Column("address", exact(320), nullable=False),
        sa.Column("retired_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retired_addresses")),
        sa.UniqueConstraint("address", name=op.f("uq_retired_addresses_address")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "users",
        sa.Column("id", BigId, sa.Identity(), nullable=False),
        sa.Column("email", exact(254), nullable=False),
        sa.Column("email_verified_at", UtcTime(), nullable=True),
        sa.Column("password_hash", sa.String(length=72), nullable=False),
        sa.Column("token_version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failed_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("locked_until", UtcTime(), nullable=True),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "accounts",
        sa.Column("id", BigId, sa.Identity(), nullable=False),
        sa.Column("name", exact(64), nullable=False),
        sa.Column("plan_id", BigId, nullable=False),
        sa.Column("region", sa.String(length=32), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("verification_grace_until", UtcTime(), nullable=True),
        sa.Column("require_2fa", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("delete_at", UtcTime(), nullable=True),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.CheckConstraint(
            "status IN ('active', 'suspended', 'deleting', 'deleted')",
            name=op.f("ck_accounts_status"),
        ),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name=op.f("fk_accounts_plan_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("name", name=op.f("uq_accounts_name")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_accounts_plan_id"), "accounts", ["plan_id"], unique=False)
    op.create_table(
        "domains",
        sa.Column("id", BigId, sa.Identity(), nullable=False),
        sa.Column("account_id", BigId, nullable=False),
        sa.Column("name", exact(253), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("spf_status", sa.String(length=16), nullable=True),
        sa.Column("dkim_status", sa.String(length=16), nullable=True),
        sa.Column("dmarc_status", sa.String(length=16), nullable=True),
        sa.Column("dns_checked_at", UtcTime(), nullable=True),
        sa.Column("catch_all", sa.String(length=320), nullable=True),
        sa.Column("note", sa.String(length=120), server_default="", nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.CheckConstraint(
            "status IN ('pending_dns', 'active', 'suspended')", name=op.f("ck_domains_status")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_domains_account_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_domains")),
        sa.UniqueConstraint("name", name=op.f("uq_domains_name")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_domains_account_id"), "domains", ["account_id"], unique=False)
    op.create_table(
        "memberships",
        sa.Column("id", BigId, sa.Identity(), nullable=False),
        sa.Column("account_id", BigId, nullable=False),
        sa.Column("user_id", BigId, nullable=False),
        sa.Column("role", sa.String(length=24), nullable=False),
        sa.Column("permissions", Words(), server_default="", nullable=False),
        sa.Column("all_domains", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("domain_ids", sa.JSON(), server_default="[]", nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("invited_by", BigId, nullable=True),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.CheckConstraint(
            "status IN ('pending', 'active', 'suspended', 'revoked')",
            name=op.f("ck_memberships_status"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_memberships_account_id")
        ),
        sa.ForeignKeyConstraint(
            ["invited_by"], ["users.id"], name=op.f("fk_memberships_invited_by")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_memberships_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_memberships")),
        sa.UniqueConstraint(
            "account_id", "user_id", name=op.f("uq_memberships_account_id_user_id")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_memberships_invited_by"), "memberships", ["invited_by"], unique=False)
    op.create_index(op.f("ix_memberships_user_id"), "memberships", ["user_id"], unique=False)
    op.create_table(
        "stored_secrets",
        sa.Column("id", BigId, sa.Identity(), nullable=False),
        sa.Column("account_id", BigId, nullable=False),
        sa.Column("owner_type", exact(16), nullable=False),
        sa.Column("owner_id", BigId, nullable=False),
        sa.Column("kind", exact(24), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("last_read_at", UtcTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_stored_secrets_account_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stored_secrets")),
        sa.UniqueConstraint(
            "account_id",
            "owner_type",
            "owner_id",
            "kind",
            name=op.f("uq_stored_secrets_account_id_owner_type_owner_id_kind"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "invites",
        sa.Column("id", BigId, sa.Identity(), nullable=False),
        sa.Column("account_id", BigId, nullable=False),
        sa.Column("domain_id", BigId, nullable=False),
        sa.Column("local_part", exact(64), nullable=True),
        sa.Column("recipient_email", sa.String(length=254), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("storage_allocation_bytes", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("created_by", BigId, nullable=True),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("expires_at", UtcTime(), nullable=False),
        sa.CheckConstraint(
            "status IN ('pending', 'redeemed', 'expired', 'cancelled')",
            name=op.f("ck_invites_status"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_invites_account_id")
        ),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_invites_created_by")),
        sa.ForeignKeyConstraint(["domain_id"], ["domains.id"], name=op.f("fk_invites_domain_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invites")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_invites_token_hash")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_invites_account_id"), "invites", ["account_id"], unique=False)
    op.create_index(op.f("ix_invites_created_by"), "invites", ["created_by"], unique=False)
    op.create_index(op.f("ix_invites_domain_id"), "invites", ["domain_id"], unique=False)
    op.create_table(
        "addresses",
        sa.Column("domain_id", BigId, nullable=False),
        sa.Column("local_part", exact(64), nullable=False),
        sa.Column("kind", exact(8), nullable=False),
        sa.CheckConstraint("kind IN ('mailbox', 'alias')", name=op.f("ck_addresses_kind")),
        sa.ForeignKeyConstraint(["domain_id"], ["domains.id"], name=op.f("fk_addresses_domain_id")),
        sa.PrimaryKeyConstraint("domain_id", "local_part", name=op.f("pk_addresses")),
        sa.UniqueConstraint(
            "domain_id", "local_part", "kind", name=op.f("uq_addresses_domain_id_local_part_kind")
        ),
    )
    op.create_table(
        "mailboxes",
        sa.Column("id", BigId, sa.Identity(), nullable=False),
        sa.Column("account_id", BigId, nullable=False),
        sa.Column("domain_id", BigId, nullable=False),
        sa.Column("local_part", exact(64), nullable=False),
        sa.Column("address_kind", exact(8), server_default="mailbox", nullable=False),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("display_name", sa.String(length=120), server_default="", nullable=False),
        sa.Column("password_hash", sa.String(length=72), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("disabled_reason", sa.String(length=120), nullable=True),
        sa.Column("login_suspended_at", UtcTime(), nullable=True),
        sa.Column("login_suspended_reason", sa.String(length=120), nullable=True),
        sa.Column("drive_access", sa.String(length=24), nullable=False),
        sa.Column("client_auth_mode", sa.String(length=32), nullable=False),
        sa.Column("storage_allocation_bytes", sa.BigInteger(), nullable=True),
        sa.Column("recovery_email", sa.String(length=254), nullable=True),
        sa.Column("token_version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failed_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("locked_until", UtcTime(), nullable=True),
        sa.Column("trashed_at", UtcTime(), nullable=True),
        sa.Column("note", sa.String(length=120), server_default="", nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.CheckConstraint("address_kind IN ('mailbox')", name=op.f("ck_mailboxes_address_kind")),
        sa.CheckConstraint(
            "status IN ('active', 'disabled', 'suspended', 'trashed', 'deleting', 'deleted')",
            name=op.f("ck_mailboxes_status"),
        ),
        sa.CheckConstraint("type IN ('regular', 'shared')", name=op.f("ck_mailboxes_type")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_mailboxes_account_id")
        ),
        sa.ForeignKeyConstraint(["domain_id"], ["domains.id"], name=op.f("fk_mailboxes_domain_id")),
        sa.ForeignKeyConstraint(
            ["domain_id", "local_part", "address_kind"],
            ["addresses.domain_id", "addresses.local_part", "addresses.kind"],
            name=op.f("fk_mailboxes_domain_id_local_part_address_kind"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mailboxes")),
        sa.UniqueConstraint(
            "domain_id", "local_part", name=op.f("uq_mailboxes_domain_id_local_part")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_mailboxes_account_id"), "mailboxes", ["account_id"], unique=False)
    op.create_table(
        "aliases",
        sa.Column("id", BigId, sa.Identity(), nullable=False),
        sa.Column("mailbox_id", BigId, nullable=False),
        sa.Column("domain_id", BigId, nullable=False),
        sa.Column("local_part", exact(64), nullable=False),
        sa.Column("address_kind", exact(8), server_default="alias", nullable=False),
        sa.Column("can_receive", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("can_send", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("expires_at", UtcTime(), nullable=True),
        sa.Column("note", sa.String(length=120), server_default="", nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.CheckConstraint("address_kind IN ('alias')", name=op.f("ck_aliases_address_kind")),
        sa.ForeignKeyConstraint(["domain_id"], ["domains.id"], name=op.f("fk_aliases_domain_id")),
        sa.ForeignKeyConstraint(
            ["domain_id", "local_part", "address_kind"],
            ["addresses.domain_id", "addresses.local_part", "addresses.kind"],
            name=op.f("fk_aliases_domain_id_local_part_address_kind"),
        ),
        sa.ForeignKeyConstraint(
            ["mailbox_id"], ["mailboxes.id"], name=op.f("fk_aliases_mailbox_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_aliases")),
        sa.UniqueConstraint(
            "domain_id", "local_part", name=op.f("uq_aliases_domain_id_local_part")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_aliases_mailbox_id"), "aliases", ["mailbox_id"], unique=False)
    op.create_table(
        "api_tokens",
        sa.Column("id", BigId, sa.Identity(), nullable=False),
        sa.Column("account_id", BigId, nullable=False),
        sa.Column("created_by", BigId, nullable=True),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("prefix", exact(8), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("hash_alg", sa.String(length=16), nullable=False),
        sa.Column("scopes", Words(), nullable=False),
        sa.Column("domain_ids", sa.JSON(), nullable=True),
        sa.Column("mailbox_ids", sa.JSON(), nullable=True),
        sa.Column("mailbox_id", BigId, nullable=True),
        sa.Column("daily_limit", sa.Integer(), nullable=True),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("expires_at", UtcTime(), nullable=True),
        sa.Column("last_used_at", UtcTime(), nullable=True),
        sa.Column("last_used_ip", sa.String(length=45), nullable=True),
        sa.Column("revoked_at", UtcTime(), nullable=True),
        sa.CheckConstraint("kind IN ('ops', 'message')", name=op.f("ck_api_tokens_kind")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_api_tokens_account_id")
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["users.id"], name=op.f("fk_api_tokens_created_by")
        ),
        sa.ForeignKeyConstraint(
            ["mailbox_id"], ["mailboxes.id"], name=op.f("fk_api_tokens_mailbox_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_api_tokens_secret_hash")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_api_tokens_account_id"), "api_tokens", ["account_id"], unique=False)
    op.create_index(op.f("ix_api_tokens_created_by"), "api_tokens", ["created_by"], unique=False)
    op.create_index(op.f("ix_api_tokens_mailbox_id"), "api_tokens", ["mailbox_id"], unique=False)
    op.create_index(op.f("ix_api_tokens_prefix"), "api_tokens", ["prefix"], unique=False)
    op.create_table(
        "app_passwords",
        sa.Column("id", BigId, sa.Identity(), nullable=False),
        sa.Column("mailbox_id", BigId, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_via", sa.String(length=16), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("last_used_at", UtcTime(), nullable=True),
        sa.Column("last_used_ip", sa.String(length=45), nullable=True),
        sa.Column("last_used_protocol", sa.String(length=16), nullable=True),
        sa.Column("revoked_at", UtcTime(), nullable=True),
        sa.Column("revoked_reason", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["mailbox_id"], ["mailboxes.id"], name=op.f("fk_app_passwords_mailbox_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_app_passwords")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_app_passwords_secret_hash")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_app_passwords_mailbox_id"), "app_passwords", ["mailbox_id"], unique=False
    )
    op.create_table(
        "delete_intents",
        sa.Column("id", BigId, sa.Identity(), nullable=False),
        sa.Column("account_id", BigId, nullable=False),
        sa.Column("mailbox_id", BigId, nullable=True),
        sa.Column("domain_id", BigId, nullable=True),
        sa.Column("created_by", BigId, nullable=True),
        sa.Column("risk_flags", Words(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("expires_at", UtcTime(), nullable=False),
        sa.CheckConstraint(
            "status IN ('pending', 'confirmed', 'expired', 'cancelled')",
            name=op.f("ck_delete_intents_status"),
        ),
        sa.CheckConstraint(
            "(mailbox_id IS NULL) <> (domain_id IS NULL)", name=op.f("ck_delete_intents_one_target")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_delete_intents_account_id")
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["users.id"], name=op.f("fk_delete_intents_created_by")
        ),
        sa.ForeignKeyConstraint(
            ["domain_id"], ["domains.id"], name=op.f("fk_delete_intents_domain_id")
        ),
        sa.ForeignKeyConstraint(
            ["mailbox_id"], ["mailboxes.id"], name=op.f("fk_delete_intents_mailbox_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delete_intents")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_delete_intents_account_id"), "delete_intents", ["account_id"], unique=False
    )
    op.create_index(
        op.f("ix_delete_intents_created_by"), "delete_intents", ["created_by"], unique=False
    )
    op.create_index(
        op.f("ix_delete_intents_domain_id"), "delete_intents", ["domain_id"], unique=False
    )
    op.create_index(
        op.f("ix_delete_intents_mailbox_id"), "delete_intents", ["mailbox_id"], unique=False
    )
    op.create_table(
        "devices",
        sa.Column("id", BigId, sa.Identity(), nullable=False),
        sa.Column("account_id", BigId, nullable=False),
        sa.Column("mailbox_id", BigId, nullable=True),
        sa.Column("label", sa.String(length=64), nullable=False),
        sa.Column("scopes", Words(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("issued_via", sa.String(length=16), nullable=False),
        sa.Column("issued_by_type", sa.String(length=16), nullable=False),
        sa.Column("issued_by_id", BigId, nullable=True),
        sa.Column("issued_by_label", sa.String(length=320), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("expires_at", UtcTime(), nullable=True),
        sa.Column("last_used_at", UtcTime(), nullable=True),
        sa.Column("last_used_ip", sa.String(length=45), nullable=True),
        sa.Column("last_used_client", sa.String(length=200), nullable=True),
        sa.Column("revoked_at", UtcTime(), nullable=True),
        sa.Column("revoked_by", sa.String(length=320), nullable=True),
        sa.Column("revoked_reason", sa.String(length=64), nullable=True),
        sa.Column("rotated_from", BigId, nullable=True),
        sa.Column("dies_at", UtcTime(), nullable=True),
        sa.Column("knock_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("first_knock_at", UtcTime(), nullable=True),
        sa.Column("last_knock_at", UtcTime(), nullable=True),
        sa.Column("last_knock_ip", sa.String(length=45), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_devices_account_id")
        ),
        sa.ForeignKeyConstraint(
            ["mailbox_id"], ["mailboxes.id"], name=op.f("fk_devices_mailbox_id")
        ),
        sa.ForeignKeyConstraint(
            ["rotated_from"], ["devices.id"], name=op.f("fk_devices_rotated_from")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_devices")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_devices_secret_hash")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_devices_account_id_created_at", "devices", ["account_id", "created_at"], unique=False
    )
    op.create_index(op.f("ix_devices_mailbox_id"), "devices", ["mailbox_id"], unique=False)
    op.create_index(op.f("ix_devices_rotated_from"), "devices", ["rotated_from"], unique=False)
    op.create_table(
        "recovery_codes",
        sa.Column("id", BigId, sa.Identity(), nullable=False),
        sa.Column("user_id", BigId, nullable=True),
        sa.Column("mailbox_id", BigId, nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("used_at", UtcTime(), nullable=True),
        sa.Column("replaced_at", UtcTime(), nullable=True),
        sa.CheckConstraint(
            "(user_id IS NULL) <> (mailbox_id IS NULL)", name=op.f("ck_recovery_codes_one_owner")
        ),
        sa.ForeignKeyConstraint(
            ["mailbox_id"], ["mailboxes.id"], name=op.f("fk_recovery_codes_mailbox_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_recovery_codes_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_codes")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_recovery_codes_mailbox_id"), "recovery_codes", ["mailbox_id"], unique=False
    )
    op.create_index(op.f("ix_recovery_codes_user_id"), "recovery_codes", ["user_id"], unique=False)
    op.create_table(
        "sessions",
        sa.Column("id", BigId, sa.Identity(), nullable=False),
        sa.Column("sid", exact(43), nullable=False),
        sa.Column("user_id", BigId, nullable=True),
        sa.Column("mailbox_id", BigId, nullable=True),
        sa.Column("token_version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("last_seen_at", UtcTime(), nullable=False),
        sa.Column("absolute_expires_at", UtcTime(), nullable=False),
        sa.Column("ip", sa.String(length=45), nullable=True),
        sa.Column("user_agent", sa.String(length=200), nullable=True),
        sa.Column("mfa_at", UtcTime(), nullable=True),
        sa.Column("revoked_at", UtcTime(), nullable=True),
        sa.Column("revoked_reason", sa.String(length=64), nullable=True),
        sa.CheckConstraint(
            "(user_id IS NULL) <> (mailbox_id IS NULL)", name=op.f("ck_sessions_one_principal")
        ),
        sa.ForeignKeyConstraint(
            ["mailbox_id"], ["mailboxes.id"], name=op.f("fk_sessions_mailbox_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sessions_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("sid", name=op.f("uq_sessions_sid")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_sessions_absolute_expires_at"), "sessions", ["absolute_expires_at"], unique=False
    )
    op.create_index(op.f("ix_sessions_mailbox_id"), "sessions", ["mailbox_id"], unique=False)
    op.create_index(op.f("ix_sessions_user_id"), "sessions", ["user_id"], unique=False)
    op.create_table(
        "shared_members",
        sa.Column("id", BigId, sa.Identity(), nullable=False),
        sa.Column("shared_mailbox_id", BigId, nullable=False),
        sa.Column("member_mailbox_id", BigId, nullable=False),
        sa.Column("can_send", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.CheckConstraint(
            "shared_mailbox_id <> member_mailbox_id", name=op.f("ck_shared_members_not_itself")
        ),
        sa.ForeignKeyConstraint(
            ["member_mailbox_id"],
            ["mailboxes.id"],
            name=op.f("fk_shared_members_member_mailbox_id"),
        ),
        sa.ForeignKeyConstraint(
            ["shared_mailbox_id"],
            ["mailboxes.id"],
            name=op.f("fk_shared_members_shared_mailbox_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shared_members")),
        sa.UniqueConstraint(
            "shared_mailbox_id",
            "member_mailbox_id",
            name=op.f("uq_shared_members_shared_mailbox_id_member_mailbox_id"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_shared_members_member_mailbox_id"),
        "shared_members",
        ["member_mailbox_id"],
        unique=False,
    )
    op.create_table(
        "signed_links",
        sa.Column("id", BigId, sa.Identity(), nullable=False),
        sa.Column("user_id", BigId, nullable=True),
        sa.Column("mailbox_id", BigId, nullable=True),
        sa.Column("invite_id", BigId, nullable=True),
        sa.Column("purpose", sa.String(length=24), nullable=False),
        sa.Column("address", sa.String(length=254), nullable=False),
        sa.Column("nonce", sa.LargeBinary(length=16), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("expires_at", UtcTime(), nullable=False),
        sa.Column("used_at", UtcTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["invite_id"], ["invites.id"], name=op.f("fk_signed_links_invite_id")
        ),
        sa.ForeignKeyConstraint(
            ["mailbox_id"], ["mailboxes.id"], name=op.f("fk_signed_links_mailbox_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_signed_links_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signed_links")),
        sa.UniqueConstraint("nonce", name=op.f("uq_signed_links_nonce")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_signed_links_invite_id"), "signed_links", ["invite_id"], unique=False)
    op.create_index(
        op.f("ix_signed_links_mailbox_id"), "signed_links", ["mailbox_id"], unique=False
    )
    op.create_index(op.f("ix_signed_links_user_id"), "signed_links", ["user_id"], unique=False)
    op.create_table(
        "spaces",
        sa.Column("id", BigId, sa.Identity(), nullable=False),
        sa.Column("account_id", BigId, nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("mailbox_id", BigId, nullable=True),
        sa.Column("change_seq", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("compacted_seq", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.CheckConstraint(
            "(kind = 'mailbox_personal') = (mailbox_id IS NOT NULL)", name=op.f("ck_spaces_mailbox")
        ),
        sa.CheckConstraint(
            "kind IN ('account_drive', 'mailbox_personal')", name=op.f("ck_spaces_kind")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_spaces_account_id")),
        sa.ForeignKeyConstraint(
            ["mailbox_id"], ["mailboxes.id"], name=op.f("fk_spaces_mailbox_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_spaces")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_spaces_account_drive",
        "spaces",
        ["account_id"],
        unique=True,
        sqlite_where=sa.text("mailbox_id IS NULL"),
        postgresql_where=sa.text("mailbox_id IS NULL"),
    )
    op.create_index("uq_spaces_mailbox_id", "spaces", ["mailbox_id"], unique=True)
    op.create_table(
        "totp_secrets",
        sa.Column("id", BigId, sa.Identity(), nullable=False),
        sa.Column("user_id", BigId, nullable=True),
        sa.Column("mailbox_id", BigId, nullable=True),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("confirmed_at", UtcTime(), nullable=True),
        sa.Column("last_step", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(user_id IS NULL) <> (mailbox_id IS NULL)", name=op.f("ck_totp_secrets_one_owner")
        ),
        sa.ForeignKeyConstraint(
            ["mailbox_id"], ["mailboxes.id"], name=op.f("fk_totp_secrets_mailbox_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_totp_secrets_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_totp_secrets")),
        sa.UniqueConstraint("mailbox_id", name=op.f("uq_totp_secrets_mailbox_id")),
        sa.UniqueConstraint("user_id", name=op.f("uq_totp_secrets_user_id")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "blocked_senders",
        sa.Column("id", BigId, sa.Identity(), nullable=False),
        sa.Column("mailbox_id", BigId, nullable=False),
        sa.Column("alias_id", BigId, nullable=True),
        sa.Column("pattern", sa.String(length=320), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["alias_id"], ["aliases.id"], name=op.f("fk_blocked_senders_alias_id")
        ),
        sa.ForeignKeyConstraint(
            ["mailbox_id"], ["mailboxes.id"], name=op.f("fk_blocked_senders_mailbox_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_blocked_senders")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_blocked_senders_alias_id"), "blocked_senders", ["alias_id"], unique=False
    )
    op.create_index(
        op.f("ix_blocked_senders_mailbox_id"), "blocked_senders", ["mailbox_id"], unique=False
    )
    op.create_table(
        "changes",
        sa.Column("space_id", BigId, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("node_id", BigId, nullable=False),
        sa.Column("parent_id", BigId, nullable=True),
        sa.Column("name", exact(255), nullable=False),
        sa.Column("from_parent_id", BigId, nullable=True),
        sa.Column("from_name", exact(255), nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("credential", sa.String(length=64), nullable=True),
        sa.Column("at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["space_id"], ["spaces.id"], name=op.f("fk_changes_space_id")),
        sa.PrimaryKeyConstraint("space_id", "seq", name=op.f("pk_changes")),
    )
    op.create_table(
        "nodes",
        sa.Column("id", BigId, sa.Identity(), nullable=False),
        sa.Column("space_id", BigId, nullable=False),
        sa.Column("parent_id", BigId, nullable=True),
        sa.Column("name", exact(255), nullable=False),
        sa.Column("name_href", sa.Text(), nullable=False),
        sa.Column("name_xml", sa.String(length=1600), nullable=True),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("blob_id", BigId, nullable=True),
        sa.Column("size", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("content_type", sa.String(length=128), nullable=True),
        sa.Column("etag", sa.String(length=64), nullable=False),
        sa.Column("mtime", UtcTime(), nullable=False),
        sa.Column("is_shared", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("colour", sa.String(length=16), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("change_seq", sa.BigInteger(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("modified_at", UtcTime(), nullable=False),
        sa.Column("modified_by", sa.String(length=64), nullable=True),
        sa.Column("deleted_at", UtcTime(), nullable=True),
        sa.Column("delete_batch", sa.BigInteger(), nullable=True),
        sa.Column("original_parent_id", BigId, nullable=True),
        sa.CheckConstraint(
            "kind = 'folder' OR blob_id IS NOT NULL OR size = 0", name=op.f("ck_nodes_bytes")
        ),
        sa.CheckConstraint("kind IN ('folder', 'file')", name=op.f("ck_nodes_kind")),
        sa.ForeignKeyConstraint(["blob_id"], ["blobs.id"], name=op.f("fk_nodes_blob_id")),
        sa.ForeignKeyConstraint(["parent_id"], ["nodes.id"], name=op.f("fk_nodes_parent_id")),
        sa.ForeignKeyConstraint(["space_id"], ["spaces.id"], name=op.f("fk_nodes_space_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_nodes")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_nodes_blob_id"), "nodes", ["blob_id"], unique=False)
    op.create_index("ix_nodes_parent_id", "nodes", ["parent_id"], unique=False)
    op.create_index(
        "ix_nodes_trash",
        "nodes",
        ["space_id", "deleted_at"],
        unique=False,
        sqlite_where=sa.text("deleted_at IS NOT NULL"),
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )
    op.create_index(
        "ix_nodes_delete_batch",
        "nodes",
        ["space_id", "delete_batch"],
        unique=False,
        sqlite_where=sa.text("deleted_at IS NOT NULL"),
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )
    op.create_index(
        "ix_nodes_deleted_at",
        "nodes",
        ["deleted_at"],
        unique=False,
        sqlite_where=sa.text("deleted_at IS NOT NULL"),
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )
    op.create_index(
        "uq_nodes_root",
        "nodes",
        ["space_id"],
        unique=True,
        sqlite_where=sa.text("parent_id IS NULL AND deleted_at IS NULL"),
        postgresql_where=sa.text("parent_id IS NULL AND deleted_at IS NULL"),
    )
    op.create_index(
        "uq_nodes_siblings",
        "nodes",
        ["space_id", "parent_id", "name"],
        unique=True,
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "token_day_counts",
        sa.Column("token_id", BigId, nullable=False),
        sa.Column("day", exact(10), nullable=False),
        sa.Column("count", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["token_id"], ["api_tokens.id"], name=op.f("fk_token_day_counts_token_id")
        ),
        sa.PrimaryKeyConstraint("token_id", "day", name=op.f("pk_token_day_counts")),
    )
    op.create_table(
        "uploads",
        sa.Column("id", BigId, sa.Identity(), nullable=False),
        sa.Column("space_id", BigId, nullable=False),
        sa.Column("device_id", BigId, nullable=False),
        sa.Column("name", exact(255), nullable=False),
        sa.Column("target", sa.Text(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("reserved_bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("s3_upload_id", sa.String(length=1024), nullable=True),
        sa.Column("blob_id", BigId, nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("expires_at", UtcTime(), nullable=False),
        sa.CheckConstraint(
            "state IN ('initiated', 'completed', 'aborted', 'expired')",
            name=op.f("ck_uploads_state"),
        ),
        sa.ForeignKeyConstraint(["blob_id"], ["blobs.id"], name=op.f("fk_uploads_blob_id")),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_uploads_device_id")),
        sa.ForeignKeyConstraint(["space_id"], ["spaces.id"], name=op.f("fk_uploads_space_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uploads")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_uploads_blob_id"), "uploads", ["blob_id"], unique=False)
    op.create_index(op.f("ix_uploads_expires_at"), "uploads", ["expires_at"], unique=False)
    op.create_index(op.f("ix_uploads_space_id"), "uploads", ["space_id"], unique=False)
    op.create_index(
        "uq_uploads_running",
        "uploads",
        ["device_id", "space_id", "name"],
        unique=True,
        sqlite_where=sa.text("state = 'initiated'"),
        postgresql_where=sa.text("state = 'initiated'"),
    )
    op.create_table(
        "usage",
        sa.Column("space_id", BigId, nullable=False),
        sa.Column("account_id", BigId, nullable=False),
        sa.Column("used_bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("reserved_bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("reserved_bytes >= 0", name=op.f("ck_usage_reserved")),
        sa.CheckConstraint("used_bytes >= 0", name=op.f("ck_usage_used")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_usage_account_id")),
        sa.ForeignKeyConstraint(["space_id"], ["spaces.id"], name=op.f("fk_usage_space_id")),
        sa.PrimaryKeyConstraint("space_id", name=op.f("pk_usage")),
        sa.UniqueConstraint("account_id", "space_id", name=op.f("uq_usage_account_id_space_id")),
    )
    op.create_table(
        "dead_properties",
        sa.Column("node_id", BigId, nullable=False),
        sa.Column("name_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("namespace", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("xml", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["node_id"], ["nodes.id"], name=op.f("fk_dead_properties_node_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("node_id", "name_hash", name=op.f("pk_dead_properties")),
    )
    op.create_table(
        "locks",
        sa.Column("token", exact(64), nullable=False),
        sa.Column("space_id", BigId, nullable=False),
        sa.Column("node_id", BigId, nullable=False),
        sa.Column("scope", sa.String(length=16), nullable=False),
        sa.Column("depth", sa.String(length=8), nullable=False),
        sa.Column("owner_xml", sa.Text(), server_default="", nullable=False),
        sa.Column("device_id", BigId, nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("expires_at", UtcTime(), nullable=False),
        sa.CheckConstraint("depth IN ('0', 'infinity')", name=op.f("ck_locks_depth")),
        sa.CheckConstraint("scope IN ('exclusive', 'shared')", name=op.f("ck_locks_scope")),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_locks_device_id")),
        sa.ForeignKeyConstraint(["node_id"], ["nodes.id"], name=op.f("fk_locks_node_id")),
        sa.ForeignKeyConstraint(["space_id"], ["spaces.id"], name=op.f("fk_locks_space_id")),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_locks")),
    )
    op.create_index(op.f("ix_locks_device_id"), "locks", ["device_id"], unique=False)
    op.create_index(op.f("ix_locks_expires_at"), "locks", ["expires_at"], unique=False)
    op.create_index(op.f("ix_locks_node_id"), "locks", ["node_id"], unique=False)
    op.create_index(op.f("ix_locks_space_id"), "locks", ["space_id"], unique=False)
    op.create_table(
        "share_links",
        sa.Column("id", BigId, sa.Identity(), nullable=False),
        sa.Column("node_id", BigId, nullable=False),
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("expires_at", UtcTime(), nullable=True),
        sa.Column("max_downloads", sa.Integer(), nullable=True),
        sa.Column("downloads", sa.Integer(), server_default="0", nullable=False),
        sa.Column("note", sa.String(length=120), server_default="", nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("revoked_at", UtcTime(), nullable=True),
        sa.ForeignKeyConstraint(["node_id"], ["nodes.id"], name=op.f("fk_share_links_node_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_share_links")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_share_links_token_hash")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_share_links_node_id"), "share_links", ["node_id"], unique=False)
    op.create_table(
        "upload_parts",
        sa.Column("upload_id", BigId, nullable=False),
        sa.Column("name", exact(64), nullable=False),
        sa.Column("blob_id", BigId, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["blob_id"], ["blobs.id"], name=op.f("fk_upload_parts_blob_id")),
        sa.ForeignKeyConstraint(
            ["upload_id"],
            ["uploads.id"],
            name=op.f("fk_upload_parts_upload_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("upload_id", "name", name=op.f("pk_upload_parts")),
    )
    op.create_index(op.f("ix_upload_parts_blob_id"), "upload_parts", ["blob_id"], unique=False)
    op.create_table(
        "versions",
        sa.Column("id", BigId, sa.Identity(), nullable=False),
        sa.Column("node_id", BigId, nullable=False),
        sa.Column("blob_id", BigId, nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("etag", sa.String(length=64), nullable=False),
        sa.Column("mtime", UtcTime(), nullable=False),
        sa.Column("replaced_at", UtcTime(), nullable=False),
        sa.Column("replaced_by", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["blob_id"], ["blobs.id"], name=op.f("fk_versions_blob_id")),
        sa.ForeignKeyConstraint(["node_id"], ["nodes.id"], name=op.f("fk_versions_node_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_versions")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_versions_blob_id"), "versions", ["blob_id"], unique=False)
    op.create_index(op.f("ix_versions_node_id"), "versions", ["node_id"], unique=False)
    op.create_index(op.f("ix_versions_replaced_at"), "versions", ["replaced_at"], unique=False)
