"""count which products are bought together

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "counted_baskets",
        sa.Column("order_id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("website", sa.String(100), nullable=False),
        sa.Column("products", ARRAY(sa.BigInteger()), nullable=False),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_counted_baskets")),
    )
    op.create_table(
        "basket_changes",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("website", sa.String(100), nullable=False),
        sa.Column("products", ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("sign", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_basket_changes")),
    )
    op.create_table(
        "basket_totals",
        sa.Column("website", sa.String(100), nullable=False),
        sa.Column("baskets", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("website", name=op.f("pk_basket_totals")),
        sa.CheckConstraint("baskets > 0", name=op.f("ck_basket_totals_baskets_positive")),
    )
    op.create_table(
        "product_counts",
        sa.Column("product_id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("baskets", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("product_id", name=op.f("pk_product_counts")),
        sa.CheckConstraint("baskets > 0", name=op.f("ck_product_counts_baskets_positive")),
    )
    op.create_table(
        "product_pairs",
        sa.Column("product_id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("other_id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("baskets", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("product_id", "other_id", name=op.f("pk_product_pairs")),
        sa.CheckConstraint("baskets > 0", name=op.f("ck_product_pairs_baskets_positive")),
    )
    op.create_table(
        "basket_state",
        sa.Column("id", sa.SmallInteger(), nullable=False, autoincrement=False, server_default=sa.text("1")),
        sa.Column("orders_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("orders_seen_id", sa.BigInteger(), nullable=False),
        sa.Column("lines_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_basket_state")),
        sa.CheckConstraint("id = 1", name=op.f("ck_basket_state_one_state")),
    )
    op.create_index(
        "ix_order_details_updated_at",
        "order_details",
        ["updated_at"],
        postgresql_using="brin",
        postgresql_with={"autosummarize": "on"},
    )


def downgrade() -> None:
    op.drop_index("ix_order_details_updated_at", "order_details")
    for table in (
        "basket_state",
        "product_pairs",
        "product_counts",
        "basket_totals",
        "basket_changes",
        "counted_baskets",
    ):
        op.drop_table(table)
