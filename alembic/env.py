"""Runs the migrations on the connection that app/runtime/migrations.py hands over, or on the settings' database."""

from sqlalchemy import Connection
from sqlalchemy.schema import SchemaItem

import app.auth.models
import app.ingest.models
import app.orders.models
import app.predictions.baskets.models
import app.predictions.models
import app.privacy.models
import app.products.models
import app.reports.models
import app.sync.models
import app.users.models
import app.websites.models  # noqa: F401 — each import adds its tables to the metadata
from alembic import context
from app.database import Base


def include_object(item: SchemaItem, name: str | None, kind: str, reflected: bool, other: SchemaItem | None) -> bool:
    """The job queue's tables are its library's own, and partitions are made by what fills them."""
    return not (
        kind == "table" and name is not None and (name.startswith("procrastinate_") or "_predictions_of_" in name)
    )


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_object=include_object,
        compare_server_default=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


connection = context.config.attributes.get("connection")
if connection is not None:
    run(connection)
else:
    # `alembic revision --autogenerate` and the like, typed by a developer.
    from app.runtime.databases import connect_for_migration

    with connect_for_migration() as own_connection:
        run(own_connection)
