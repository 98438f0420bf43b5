"""let imports be cancelled

Revision ID: 0005
Revises: 0004
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

BEFORE = "status IN ('queued', 'running', 'succeeded', 'failed')"
AFTER = "status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')"


def _replace_check(condition: str) -> None:
    op.drop_constraint(op.f("ck_imports_status_known"), "imports", type_="check")
    op.create_check_constraint(op.f("ck_imports_status_known"), "imports", condition)


def upgrade() -> None:
    _replace_check(AFTER)


def downgrade() -> None:
    op.execute("UPDATE imports SET status = 'failed' WHERE status = 'cancelled'")
    _replace_check(BEFORE)
