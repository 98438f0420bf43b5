"""create job queue

The schema is procrastinate's own and comes with it. Its version is noted on the table: when the library is raised
to one with migrations of its own, the next revision applies those that are newer than the note.

Revision ID: 0002
Revises: 0001
"""

from importlib.metadata import version

import sqlalchemy as sa
from procrastinate.schema import SchemaManager

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    connection = op.get_bind()
    connection.exec_driver_sql(SchemaManager.get_schema().replace("%", "%%"))
    connection.exec_driver_sql(f"COMMENT ON TABLE procrastinate_jobs IS 'procrastinate {version('procrastinate')}'")


def downgrade() -> None:
    # Tables first: their triggers hold the functions, their columns the types.
    drop_each = """
        DO $$
        DECLARE statement text;
        BEGIN
            FOR statement IN
                SELECT format('DROP TABLE %s CASCADE', oid::regclass) FROM pg_class
                WHERE relkind = 'r' AND relname LIKE 'procrastinate\\_%' AND relnamespace = current_schema()::regnamespace
            LOOP EXECUTE statement; END LOOP;
            FOR statement IN
                SELECT format('DROP FUNCTION %s CASCADE', oid::regprocedure) FROM pg_proc
                WHERE proname LIKE 'procrastinate\\_%' AND pronamespace = current_schema()::regnamespace
            LOOP EXECUTE statement; END LOOP;
            FOR statement IN
                SELECT format('DROP TYPE %s CASCADE', oid::regtype) FROM pg_type
                WHERE typname LIKE 'procrastinate\\_%' AND typtype IN ('e', 'c')
                AND typnamespace = current_schema()::regnamespace
            LOOP EXECUTE statement; END LOOP;
        END $$
    """
    op.execute(sa.text(drop_each.replace(":", "\\:")))
