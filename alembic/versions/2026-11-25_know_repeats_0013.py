"""know repeats

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("source_records", sa.Column("payload_hash", sa.LargeBinary()))
    op.create_index(
        op.f("ix_source_records_payload_hash"),
        "source_records",
        ["payload_hash"],
        postgresql_where=sa.text("payload_hash IS NOT NULL"),
    )
    op.add_column("import_records", sa.Column("payload_hash", sa.LargeBinary()))
    op.alter_column("import_records", "record", nullable=True)


def downgrade() -> None:
    # An import that is not finished goes on without what was known to be unchanged, and without what it superseded.
    op.execute(
        """
        DELETE FROM import_records r USING import_records known
        WHERE known.record IS NULL AND r.import_id = known.import_id AND r.kind = known.kind AND r.key = known.key
        AND r.position <= known.position
        """
    )
    op.alter_column("import_records", "record", nullable=False)
    op.drop_column("import_records", "payload_hash")
    op.drop_index(op.f("ix_source_records_payload_hash"), table_name="source_records")
    op.drop_column("source_records", "payload_hash")
