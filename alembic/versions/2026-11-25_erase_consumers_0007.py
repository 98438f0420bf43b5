"""know erased consumers again by keyed hashes

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "erasures",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_erasures")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_erasures_user_id_users")),
    )
    op.create_index("ix_erasures_user_id", "erasures", ["user_id"])
    op.create_table(
        "erasure_keys",
        sa.Column("id", sa.SmallInteger(), nullable=False, autoincrement=False, server_default=sa.text("1")),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasure_keys")),
        sa.CheckConstraint("id = 1", name=op.f("ck_erasure_keys_one_key")),
    )


def downgrade() -> None:
    op.drop_table("erasure_keys")
    op.drop_table("erasures")
