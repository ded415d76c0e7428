"""What the drive needs beyond the first form: reservations, copies of trees, purging in pieces."""

import sqlalchemy as sa
from alembic import op

from storage.schema import BigId, UtcTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("nodes", sa.Column("purged_at", UtcTime(), nullable=True))
    op.create_table(
        "reservations",
        sa.Column("id", BigId, sa.Identity(), nullable=False),
        sa.Column("space_id", BigId, nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", UtcTime(), nullable=False),
        sa.CheckConstraint("bytes > 0", name=op.f("ck_reservations_bytes")),
        sa.ForeignKeyConstraint(["space_id"], ["spaces.id"], name=op.f("fk_reservations_space_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reservations")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_reservations_space_id"), "reservations", ["space_id"], unique=False)
    op.create_index(
        op.f("ix_reservations_expires_at"), "reservations", ["expires_at"], unique=False
    )
    op.create_table(
        "node_copies",
        sa.Column("space_id", BigId, autoincrement=False, nullable=False),
        sa.Column("old_id", BigId, autoincrement=False, nullable=False),
        sa.Column("new_id", BigId, nullable=False),
        sa.PrimaryKeyConstraint("space_id", "old_id", name=op.f("pk_node_copies")),
    )
