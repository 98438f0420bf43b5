"""link the consumers that were made here to their website, and index what lists were slow at

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        INSERT INTO source_records (source_website, kind, external_id, user_id)
        SELECT source_website, 'own', id::text, id FROM users u
        WHERE NOT EXISTS (
            SELECT 1 FROM source_records s WHERE s.user_id = u.id AND s.source_website = u.source_website
        )
        """
    )
    _replace_index("ix_orders_user_id", ["user_id", "placed_at", "id", "status"])
    _replace_index("ix_orders_placed_at", ["placed_at", "id", "created_at"])
    for table in ("users", "products"):
        op.create_index(f"ix_{table}_inactive", table, ["id"], postgresql_where=sa.text("NOT is_active"))


def _replace_index(name: str, columns: list[str]) -> None:
    op.drop_index(name, "orders")
    op.create_index(name, "orders", columns)


def downgrade() -> None:
    for table in ("users", "products"):
        op.drop_index(f"ix_{table}_inactive", table)
    _replace_index("ix_orders_user_id", ["user_id", "placed_at"])
    _replace_index("ix_orders_placed_at", ["placed_at", "id"])
    op.execute("DELETE FROM source_records WHERE kind = 'own'")
