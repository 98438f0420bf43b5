"""link the consumers that were made here to their website, as imported ones are

Revision ID: 0004
Revises: 0003
"""

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


def downgrade() -> None:
    op.execute("DELETE FROM source_records WHERE kind = 'own'")
