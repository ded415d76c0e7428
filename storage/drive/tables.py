"""The schema of the drive on one page: trees, their bytes, and what clients hang on them.

Keys that point at accounts, mailboxes and devices name those tables as text: the drive knows
nothing else of identity. Indexes begin with the space or the account, so that a large install
can be split by them.
"""

from __future__ import annotations

from sqlalchemy import (
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
    text,
)

from storage.schema import BigId, UtcTime, exact, metadata, numbered_table, one_of, reference

spaces = numbered_table(
    "spaces",
    reference("account_id", "accounts", index=False),
    Column("kind", String(24), nullable=False),
    reference("mailbox_id", "mailboxes", nullable=True, index=False),
    Column("change_seq", BigInteger, nullable=False, server_default="0"),
    Column("compacted_seq", BigInteger, nullable=False, server_default="0"),
    Column("created_at", UtcTime, nullable=False),
    # Both databases hold NULLs apart in a unique index, hence one for each kind.
    Index(
        "uq_spaces_account_drive",
        "account_id",
        unique=True,
        sqlite_where=text("mailbox_id IS NULL"),
        postgresql_where=text("mailbox_id IS NULL"),
    ),
    Index("uq_spaces_mailbox_id", "mailbox_id", unique=True),
    one_of("kind", "account_drive", "mailbox_personal"),
    CheckConstraint("(kind = 'mailbox_personal') = (mailbox_id IS NOT NULL)", name="mailbox"),
)

blobs = numbered_table(
    "blobs",
    Column("storage_key", exact(64), nullable=False, unique=True),
    Column("size", BigInteger, nullable=False),
    Column("sha256", LargeBinary(32)),
    Column("sha1", LargeBinary(20)),
    Column("md5", LargeBinary(16)),
    Column("encryption", Text),  # how it is sealed; null: as it came
    Column("scan_status", String(16), nullable=False, server_default="none"),
    # stored; released: a reference was dropped, so the sweeper must look whether one is left;
    # orphan: none is left, its bytes are being deleted, and it must never be referred to again;
    # gone: they are deleted, and the key is kept from whoever was slow to publish them.
    Column("state", exact(16), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Index("ix_blobs_state_created_at", "state", "created_at"),
    one_of("state", "stored", "released", "orphan", "gone"),
)

nodes = numbered_table(
    "nodes",
    reference("space_id", "spaces", index=False),
    reference("parent_id", "nodes", nullable=True, index=False),  # null: the root of its space
    Column("name", exact(255), nullable=False),  # NFC
    # The same name as listings need it, so that they copy instead of encode.
    Column("name_href", Text, nullable=False),
    Column("name_xml", String(1600)),  # null: the same as the name
    Column("kind", String(8), nullable=False),
    reference("blob_id", "blobs", nullable=True),
    Column("size", BigInteger, nullable=False, server_default="0"),
    Column("content_type", String(128)),
    Column("etag", String(64), nullable=False),
    Column("mtime", UtcTime, nullable=False),  # the client's
    Column("is_shared", Boolean, nullable=False, server_default=false()),
    Column("colour", String(16)),
    Column("version", BigInteger, nullable=False, server_default="1"),
    Column("change_seq", BigInteger, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("modified_at", UtcTime, nullable=False),
    Column("modified_by", String(64)),
    Column("deleted_at", UtcTime),
    # Only the top of what was deleted is marked, and hangs nowhere until it is restored; what was
    # below it still is, so that deleting and restoring a tree are one row each.
    Column("delete_batch", BigInteger),  # the change that deleted it
    Column("original_parent_id", BigId),
    Column("purged_at", UtcTime),  # its removal for good has begun: never shown or restored again
    one_of("kind", "folder", "file"),
    CheckConstraint("kind = 'folder' OR blob_id IS NOT NULL OR size = 0", name="bytes"),
    # Siblings are unique among the living; a path is resolved through this index.
    Index(
        "uq_nodes_siblings",
        "space_id",
        "parent_id",
        "name",
        unique=True,
        sqlite_where=text("deleted_at IS NULL"),
        postgresql_where=text("deleted_at IS NULL"),
    ),
    Index(
        "uq_nodes_root",
        "space_id",
        unique=True,
        sqlite_where=text("parent_id IS NULL AND deleted_at IS NULL"),
        postgresql_where=text("parent_id IS NULL AND deleted_at IS NULL"),
    ),
    Index("ix_nodes_parent_id", "parent_id"),
    Index(
        "ix_nodes_trash",
        "space_id",
        "deleted_at",
        sqlite_where=text("deleted_at IS NOT NULL"),
        postgresql_where=text("deleted_at IS NOT NULL"),
    ),
    # What was deleted together is restored together.
    Index(
        "ix_nodes_delete_batch",
        "space_id",
        "delete_batch",
        sqlite_where=text("deleted_at IS NOT NULL"),
        postgresql_where=text("deleted_at IS NOT NULL"),
    ),
    # What has been in any trash too long.
    Index(
        "ix_nodes_deleted_at",
        "deleted_at",
        sqlite_where=text("deleted_at IS NOT NULL"),
        postgresql_where=text("deleted_at IS NOT NULL"),
    ),
)

versions = numbered_table(
    "versions",
    reference("node_id", "nodes"),
    reference("blob_id", "blobs", nullable=True),
    Column("size", BigInteger, nullable=False),
    Column("etag", String(64), nullable=False),
    Column("mtime", UtcTime, nullable=False),
    Column("replaced_at", UtcTime, nullable=False, index=True),
    Column("replaced_by", String(64)),
)

uploads = numbered_table(
    "uploads",
    reference("space_id", "spaces"),
    reference("device_id", "devices", index=False),
    Column("name", exact(255), nullable=False),  # the client's id for it
    Column("target", Text),
    Column("size", BigInteger),
    Column("reserved_bytes", BigInteger, nullable=False, server_default="0"),
    Column("s3_upload_id", String(1024)),
    reference("blob_id", "blobs", nullable=True),
    Column("state", String(16), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False, index=True),
    # Each device has an area of its own: rclone derives the id from the path alone.
    Index(
        "uq_uploads_running",
        "device_id",
        "space_id",
        "name",
        unique=True,
        sqlite_where=text("state = 'initiated'"),
        postgresql_where=text("state = 'initiated'"),
    ),
    one_of("state", "initiated", "completed", "aborted", "expired"),
)

upload_parts = Table(
    "upload_parts",
    metadata,
    Column("upload_id", BigId, ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True),
    Column("name", exact(64), primary_key=True),
    reference("blob_id", "blobs"),
    Column("size", BigInteger, nullable=False),
    Column("created_at", UtcTime, nullable=False),
)

# What an upload that is under way may take up, so that it does not fail at its end.
reservations = numbered_table(
    "reservations",
    reference("space_id", "spaces"),
    Column("bytes", BigInteger, nullable=False),
    Column("expires_at", UtcTime, nullable=False, index=True),
    CheckConstraint("bytes > 0", name="bytes"),
)

share_links = numbered_table(
    "share_links",
    reference("node_id", "nodes"),
    Column("token_hash", LargeBinary(32), nullable=False, unique=True),
    Column("expires_at", UtcTime),
    Column("max_downloads", Integer),
    Column("downloads", Integer, nullable=False, server_default="0"),
    Column("note", String(120), nullable=False, server_default=""),
    Column("created_at", UtcTime, nullable=False),
    Column("revoked_at", UtcTime),
)

locks = Table(
    "locks",
    metadata,
    Column("token", exact(64), primary_key=True),
    reference("space_id", "spaces"),
    reference(
        "node_id", "nodes"
    ),  # never a mere path: LOCK there makes an empty file, RFC 4918 §7.3
    Column("scope", String(16), nullable=False),
    Column("depth", String(8), nullable=False),
    Column("owner_xml", Text, nullable=False, server_default=""),
    reference("device_id", "devices"),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False, index=True),
    one_of("scope", "exclusive", "shared"),
    one_of("depth", "0", "infinity"),
)

dead_properties = Table(
    "dead_properties",
    metadata,
    Column("node_id", BigId, ForeignKey("nodes.id", ondelete="CASCADE"), primary_key=True),
    # Clients choose both names, as long as they like; an index entry has an upper limit. This is
    # the SHA-256 of the namespace, a NUL and the name, none of which can hold a NUL.
    Column("name_hash", LargeBinary(32), primary_key=True),
    Column("namespace", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("xml", Text, nullable=False),
)

# While a tree is copied: which new row stands for which old one. Empty between transactions.
node_copies = Table(
    "node_copies",
    metadata,
    Column("space_id", BigId, primary_key=True, autoincrement=False),
    Column("old_id", BigId, primary_key=True, autoincrement=False),
    Column("new_id", BigId, nullable=False),
)

# Where a node hung before and after: no parent before means that it was not there, no parent
# after that it no longer is. The same before and after: only its content or properties changed.
changes = Table(
    "changes",
    metadata,
    Column("space_id", BigId, ForeignKey("spaces.id"), primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("node_id", BigId, nullable=False),  # no foreign key: it outlives the node
    Column("parent_id", BigId),
    Column("name", exact(255), nullable=False),
    Column("from_parent_id", BigId),
    Column("from_name", exact(255)),
    Column("kind", String(16), nullable=False),
    Column("credential", String(64)),
    Column("at", UtcTime, nullable=False),
)

usage = Table(
    "usage",
    metadata,
    Column("space_id", BigId, ForeignKey("spaces.id"), primary_key=True),
    reference("account_id", "accounts", index=False),
    Column("used_bytes", BigInteger, nullable=False, server_default="0"),
    Column("reserved_bytes", BigInteger, nullable=False, server_default="0"),
    UniqueConstraint("account_id", "space_id"),
    CheckConstraint("used_bytes >= 0", name="used"),
    CheckConstraint("reserved_bytes >= 0", name="reserved"),
)
