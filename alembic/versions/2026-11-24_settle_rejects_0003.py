"""settle rejects, keep mappings, and remember what lines and accounts said

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "imports",
        sa.Column("options", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
    )
    op.add_column("imports", sa.Column("retry_of", sa.BigInteger(), nullable=True))
    op.add_column("imports", sa.Column("records_merged", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.create_foreign_key(
        op.f("fk_imports_retry_of_imports"), "imports", "imports", ["retry_of"], ["id"], ondelete="SET NULL"
    )
    op.add_column("import_rejects", sa.Column("status", sa.String(length=20), server_default="open", nullable=False))
    op.add_column("import_rejects", sa.Column("retried_by", sa.BigInteger(), nullable=True))
    op.add_column("import_rejects", sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True))
    op.create_foreign_key(
        op.f("fk_import_rejects_retried_by_imports"),
        "import_rejects",
        "imports",
        ["retried_by"],
        ["id"],
        ondelete="SET NULL",
    )
    op.create_check_constraint(
        op.f("ck_import_rejects_status_known"), "import_rejects", "status IN ('open', 'retried', 'dismissed')"
    )
    op.add_column("source_records", sa.Column("claimed_email", sa.String(length=150), nullable=True))
    op.create_index(
        "ix_source_records_claimed_email",
        "source_records",
        ["claimed_email"],
        postgresql_where=sa.text("claimed_email IS NOT NULL"),
    )
    op.add_column("order_details", sa.Column("source_reference", sa.String(length=300), nullable=True))
    op.add_column("order_details", sa.Column("is_priced", sa.Boolean(), server_default=sa.text("true"), nullable=False))
    op.create_index(
        "ix_order_details_unpriced", "order_details", ["product_id"], postgresql_where=sa.text("NOT is_priced")
    )
    op.add_column("websites", sa.Column("mapping", postgresql.JSONB(), nullable=True))


def downgrade() -> None:
    op.drop_column("websites", "mapping")
    for column in ("is_priced", "source_reference"):
        op.drop_column("order_details", column)
    op.drop_column("source_records", "claimed_email")
    op.drop_constraint(op.f("ck_import_rejects_status_known"), "import_rejects")
    for column in ("settled_at", "retried_by", "status"):
        op.drop_column("import_rejects", column)
    for column in ("records_merged", "retry_of", "options"):
        op.drop_column("imports", column)
