"""roll up days

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reported_orders",
        sa.Column("order_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("website", sa.String(length=100), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("status", sa.String(length=50), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("is_known", sa.Boolean(), nullable=False),
        sa.Column("revenue", sa.Numeric(precision=12, scale=2), nullable=True),
        sa.Column("refunded", sa.Numeric(precision=12, scale=2), nullable=False),
        sa.Column("lines", sa.BigInteger(), nullable=True),
        sa.Column("first_day", sa.Date(), nullable=True),
        sa.Column("previous_day", sa.Date(), nullable=True),
        sa.Column("first_day_anywhere", sa.Date(), nullable=True),
        sa.Column("previous_day_anywhere", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_reported_orders")),
    )
    op.create_index("ix_reported_orders_user_id", "reported_orders", ["user_id"])
    op.create_index(
        "ix_reported_orders_day",
        "reported_orders",
        ["currency", "website", "day"],
        postgresql_include=["first_day", "previous_day", "previous_day_anywhere", "is_known"],
    )
    first_of_month = "(is_known AND {0} IS NOT NULL AND ({1} IS NULL OR {1} < date_trunc('month', day::timestamp)))"
    for first, previous, columns in (
        ("first_day", "previous_day", ["currency", "website", "first_day"]),
        ("first_day_anywhere", "previous_day_anywhere", ["currency", "first_day_anywhere"]),
    ):
        op.create_index(
            f"ix_reported_orders_{first}",
            "reported_orders",
            columns,
            postgresql_include=["day", previous],
            postgresql_where=sa.text(first_of_month.format(first, previous)),
        )
    op.create_table(
        "sales_days",
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("website", sa.String(length=100), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("status", sa.String(length=50), nullable=False),
        sa.Column("orders", sa.BigInteger(), nullable=False),
        sa.Column("purchases", sa.BigInteger(), nullable=False),
        sa.Column("revenue", sa.Numeric(precision=16, scale=2), nullable=False),
        sa.Column("refunded", sa.Numeric(precision=16, scale=2), nullable=False),
        sa.PrimaryKeyConstraint("currency", "website", "day", "status", name=op.f("pk_sales_days")),
    )
    op.create_table(
        "product_days",
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("website", sa.String(length=100), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("product_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.Column("revenue", sa.Numeric(precision=16, scale=2), nullable=False),
        sa.PrimaryKeyConstraint("currency", "website", "day", "product_id", name=op.f("pk_product_days")),
    )
    op.create_table(
        "reported_websites",
        sa.Column("website", sa.String(length=100), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("website", name=op.f("pk_reported_websites")),
    )
    op.create_table(
        "report_state",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, server_default=sa.text("1"), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("refreshed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_state")),
        sa.CheckConstraint("id = 1", name=op.f("ck_report_state_one_state")),
    )


def downgrade() -> None:
    for table in ("report_state", "reported_websites", "product_days", "sales_days", "reported_orders"):
        op.drop_table(table)
