"""predict: runs, models, and what they said

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "prediction_runs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("source_website", sa.String(length=100), nullable=True),
        sa.Column("horizon_days", sa.Integer(), nullable=False),
        sa.Column("lead_time_days", sa.Integer(), nullable=False),
        sa.Column("service_level", sa.Double(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=20), server_default="queued", nullable=False),
        sa.Column("stage", sa.String(length=100), nullable=True),
        sa.Column("stages_done", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("stages", sa.Integer(), nullable=True),
        sa.Column("versions", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("timings", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("is_kept", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')",
            name=op.f("ck_prediction_runs_status_known"),
        ),
        sa.CheckConstraint("horizon_days BETWEEN 1 AND 3650", name=op.f("ck_prediction_runs_horizon_sensible")),
        sa.CheckConstraint(
            "service_level > 0 AND service_level < 1", name=op.f("ck_prediction_runs_service_level_share")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prediction_runs")),
    )
    op.create_table(
        "prediction_models",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("source_website", sa.String(length=100), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("subjects", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=30), nullable=False),
        sa.Column("notes", JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("parameters", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("scorecard", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("state", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.CheckConstraint("kind IN ('demand', 'revenue')", name=op.f("ck_prediction_models_kind_known")),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["prediction_runs.id"],
            name=op.f("fk_prediction_models_run_id_prediction_runs"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prediction_models")),
    )
    op.create_index("ix_prediction_models_run_id", "prediction_models", ["run_id", "kind"])
    op.create_table(
        "revenue_predictions",
        sa.Column("model_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("revenue", sa.Numeric(precision=14, scale=2), nullable=False),
        sa.Column("revenue_lower_80", sa.Numeric(precision=14, scale=2), nullable=False),
        sa.Column("revenue_upper_80", sa.Numeric(precision=14, scale=2), nullable=False),
        sa.Column("revenue_lower_95", sa.Numeric(precision=14, scale=2), nullable=False),
        sa.Column("revenue_upper_95", sa.Numeric(precision=14, scale=2), nullable=False),
        sa.Column("orders", sa.Double(), nullable=False),
        sa.Column("orders_lower_80", sa.Double(), nullable=False),
        sa.Column("orders_upper_80", sa.Double(), nullable=False),
        sa.Column("orders_lower_95", sa.Double(), nullable=False),
        sa.Column("orders_upper_95", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_id"],
            ["prediction_models.id"],
            name=op.f("fk_revenue_predictions_model_id_prediction_models"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("model_id", "day", name=op.f("pk_revenue_predictions")),
    )
    op.create_table(
        "prediction_outcomes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("model_id", sa.BigInteger(), nullable=False),
        sa.Column("measure", sa.String(length=30), nullable=False),
        sa.Column("window_days", sa.Integer(), nullable=False),
        sa.Column("predicted", sa.Double(), nullable=False),
        sa.Column("predicted_lower", sa.Double(), nullable=True),
        sa.Column("predicted_upper", sa.Double(), nullable=True),
        sa.Column("actual", sa.Double(), nullable=False),
        sa.Column("details", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("measured_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_id"],
            ["prediction_models.id"],
            name=op.f("fk_prediction_outcomes_model_id_prediction_models"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prediction_outcomes")),
    )
    op.create_index(
        "uq_prediction_outcomes_model", "prediction_outcomes", ["model_id", "measure", "window_days"], unique=True
    )
    op.create_table(
        "product_predictions",
        sa.Column("run_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("product_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("model_id", sa.BigInteger(), nullable=False),
        sa.Column("demand_class", sa.String(length=20), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("mean", sa.ARRAY(sa.REAL()), nullable=False),
        sa.Column("q025", sa.ARRAY(sa.REAL()), nullable=False),
        sa.Column("q10", sa.ARRAY(sa.REAL()), nullable=False),
        sa.Column("q50", sa.ARRAY(sa.REAL()), nullable=False),
        sa.Column("q90", sa.ARRAY(sa.REAL()), nullable=False),
        sa.Column("q975", sa.ARRAY(sa.REAL()), nullable=False),
        sa.Column("scale", sa.Double(), nullable=False),
        sa.Column("bin", sa.SmallInteger(), nullable=False),
        sa.Column("expected_units_28_days", sa.Double(), nullable=False),
        sa.Column("units_last_28_days", sa.Double(), nullable=False),
        sa.Column("stock_quantity", sa.Integer(), nullable=True),
        sa.Column("reorder_point", sa.Double(), nullable=False),
        sa.Column("safety_stock", sa.Double(), nullable=False),
        sa.Column("reorder_quantity", sa.Double(), nullable=True),
        sa.Column("days_of_cover", sa.Double(), nullable=True),
        sa.Column("stockout_date", sa.Date(), nullable=True),
        sa.Column("urgency", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("run_id", "product_id", name=op.f("pk_product_predictions")),
        postgresql_partition_by="LIST (run_id)",
    )
    op.create_index(
        "ix_product_predictions_days_of_cover", "product_predictions", ["run_id", "days_of_cover", "product_id"]
    )
    op.create_index(
        "ix_product_predictions_expected_units_28_days",
        "product_predictions",
        ["run_id", "expected_units_28_days", "product_id"],
    )
    op.create_index(
        "ix_product_predictions_reorder_quantity", "product_predictions", ["run_id", "reorder_quantity", "product_id"]
    )
    op.create_index(
        "ix_product_predictions_stockout_date", "product_predictions", ["run_id", "stockout_date", "product_id"]
    )
    op.create_index("ix_product_predictions_urgency", "product_predictions", ["run_id", "urgency", "product_id"])


def downgrade() -> None:
    for table in (
        "product_predictions",
        "prediction_outcomes",
        "revenue_predictions",
        "prediction_models",
        "prediction_runs",
    ):
        op.drop_table(table)
