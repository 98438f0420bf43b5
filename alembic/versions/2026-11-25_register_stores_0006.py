"""register stores, and keep how far each has been read

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    for column in (
        sa.Column("platform", sa.String(20)),
        sa.Column("base_url", sa.String(500)),
        sa.Column("api_version", sa.String(20)),
        sa.Column("credentials", sa.LargeBinary()),
        sa.Column("webhook_secrets", sa.LargeBinary()),
        sa.Column("time_zone", sa.String(64)),
        sa.Column("status_map", JSONB(), nullable=False, server_default=sa.text("'{}'")),
        sa.Column("traits", JSONB(), nullable=False, server_default=sa.text("'{}'")),
        sa.Column("is_active", sa.Boolean(), nullable=False, server_default=sa.text("true")),
        sa.Column("schedule", sa.String(100)),
        sa.Column("reconcile_schedule", sa.String(100)),
        sa.Column("next_sync_at", MOMENT),
        sa.Column("next_reconcile_at", MOMENT),
        sa.Column("updated_at", MOMENT, nullable=False, server_default=sa.func.now()),
    ):
        op.add_column("websites", column)
    op.create_check_constraint(op.f("ck_websites_platform_known"), "websites", "platform IN ('woocommerce', 'shopify')")
    op.create_check_constraint(
        op.f("ck_websites_store_complete"),
        "websites",
        "platform IS NULL OR (base_url IS NOT NULL AND credentials IS NOT NULL)",
    )

    op.add_column("imports", sa.Column("origin", sa.String(20), nullable=False, server_default="file"))
    op.create_check_constraint(
        op.f("ck_imports_origin_known"), "imports", "origin IN ('file', 'sync', 'webhook', 'reread')"
    )

    op.create_table(
        "rereads",
        _website(),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("external_id", sa.String(300), nullable=False),
        sa.Column("reason", sa.String(20), nullable=False),
        sa.Column("asked_at", MOMENT, nullable=False, server_default=sa.func.clock_timestamp()),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("not_before", MOMENT),
        sa.Column("error", sa.Text()),
        sa.PrimaryKeyConstraint("source_website", "kind", "external_id", name=op.f("pk_rereads")),
        _belongs_to_website("rereads"),
    )
    op.create_table(
        "sync_states",
        _website(),
        sa.Column("resource", sa.String(20), nullable=False),
        sa.Column("cursor", MOMENT),
        sa.Column("read_fully_at", MOMENT),
        sa.Column("plan", JSONB()),
        sa.Column("position", JSONB()),
        sa.Column("import_id", sa.BigInteger()),
        sa.Column("succeeded_at", MOMENT),
        sa.Column("error", sa.Text()),
        sa.Column("swept_at", MOMENT),
        sa.Column("found", JSONB()),
        sa.PrimaryKeyConstraint("source_website", "resource", name=op.f("pk_sync_states")),
        _belongs_to_website("sync_states"),
        sa.ForeignKeyConstraint(
            ["import_id"], ["imports.id"], name=op.f("fk_sync_states_import_id_imports"), ondelete="SET NULL"
        ),
    )
    op.create_table(
        "webhooks",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        _website(),
        sa.Column("topic", sa.String(100), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.String(20), nullable=False, server_default="pending"),
        sa.Column("note", sa.Text()),
        sa.Column("received_at", MOMENT, nullable=False, server_default=sa.func.now()),
        sa.Column("processed_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
        sa.CheckConstraint("status IN ('pending', 'done', 'ignored', 'failed')", name=op.f("ck_webhooks_status_known")),
        _belongs_to_website("webhooks"),
    )
    pending = sa.text("status = 'pending'")
    op.create_index(
        "uq_webhooks_pending",
        "webhooks",
        ["source_website", "topic", "body_hash"],
        unique=True,
        postgresql_where=pending,
    )
    op.create_index("ix_webhooks_pending", "webhooks", ["source_website", "id"], postgresql_where=pending)
    op.create_index("ix_webhooks_received_at", "webhooks", ["received_at"])
    op.create_table(
        "swept_records",
        _website(),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("external_id", sa.String(300), nullable=False),
        sa.Column("placed_on", sa.Date()),
        sa.Column("status", sa.String(50)),
        sa.Column("currency", sa.String(3)),
        sa.Column("total", sa.Numeric(12, 2)),
        sa.Column("refunded", sa.Numeric(12, 2)),
        sa.PrimaryKeyConstraint("source_website", "kind", "external_id", name=op.f("pk_swept_records")),
        _belongs_to_website("swept_records"),
    )


def _website() -> sa.Column[str]:
    return sa.Column("source_website", sa.String(100), nullable=False)


def _belongs_to_website(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["source_website"],
        ["websites.name"],
        name=op.f(f"fk_{table}_source_website_websites"),
        ondelete="CASCADE",
    )


def downgrade() -> None:
    for table in ("swept_records", "webhooks", "sync_states", "rereads"):
        op.drop_table(table)
    op.execute("DELETE FROM imports WHERE origin <> 'file'")
    op.drop_constraint(op.f("ck_imports_origin_known"), "imports", type_="check")
    op.drop_column("imports", "origin")
    for name in ("store_complete", "platform_known"):
        op.drop_constraint(op.f(f"ck_websites_{name}"), "websites", type_="check")
    for column in (
        "updated_at",
        "next_reconcile_at",
        "next_sync_at",
        "reconcile_schedule",
        "schedule",
        "is_active",
        "traits",
        "status_map",
        "time_zone",
        "webhook_secrets",
        "credentials",
        "api_version",
        "base_url",
        "platform",
    ):
        op.drop_column("websites", column)
