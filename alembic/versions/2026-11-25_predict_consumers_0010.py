"""predict consumers

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

KIND = "ck_prediction_models_kind_known"


def upgrade() -> None:
    op.drop_constraint(op.f(KIND), "prediction_models", type_="check")
    op.create_check_constraint(op.f(KIND), "prediction_models", "kind IN ('consumers', 'demand', 'revenue')")
    op.create_table(
        "consumer_predictions",
        sa.Column("run_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("model_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("first_order_on", sa.Date(), nullable=False),
        sa.Column("last_order_on", sa.Date(), nullable=False),
        sa.Column("historic_number_of_orders", sa.Integer(), nullable=False),
        sa.Column("purchase_days", sa.Integer(), nullable=False),
        sa.Column("recent", sa.ARRAY(sa.SmallInteger()), nullable=False),
        sa.Column("historic_clv", sa.Numeric(precision=14, scale=2), nullable=False),
        sa.Column("first_amount", sa.Numeric(precision=14, scale=2), nullable=False),
        sa.Column("average_order_value", sa.Numeric(precision=14, scale=2), nullable=False),
        sa.Column("average_days_between_orders", sa.Double(), nullable=True),
        sa.Column("deviation_of_days_between_orders", sa.Double(), nullable=True),
        sa.Column("predicted_number_of_orders", sa.Double(), nullable=True),
        sa.Column("predicted_number_of_orders_lower", sa.Double(), nullable=True),
        sa.Column("predicted_number_of_orders_upper", sa.Double(), nullable=True),
        sa.Column("predicted_clv", sa.Numeric(precision=14, scale=2), nullable=True),
        sa.Column("predicted_clv_lower", sa.Numeric(precision=14, scale=2), nullable=True),
        sa.Column("predicted_clv_upper", sa.Numeric(precision=14, scale=2), nullable=True),
        sa.Column("total_clv", sa.Numeric(precision=14, scale=2), nullable=True),
        sa.Column("probability_order_in_horizon", sa.Double(), nullable=True),
        sa.Column("churn_probability", sa.Double(), nullable=True),
        sa.Column("value_at_risk", sa.Numeric(precision=14, scale=2), nullable=True),
        sa.Column("next_order_p10", sa.Date(), nullable=True),
        sa.Column("next_order_p50", sa.Date(), nullable=True),
        sa.Column("next_order_p90", sa.Date(), nullable=True),
        sa.Column("rfm_group", sa.String(length=20), nullable=False),
        sa.Column("rfm_scores", sa.ARRAY(sa.SmallInteger()), nullable=False),
        sa.Column("predicted_spend_tier", sa.String(length=10), nullable=True),
        sa.PrimaryKeyConstraint("run_id", "model_id", "user_id", name=op.f("pk_consumer_predictions")),
        postgresql_partition_by="LIST (run_id)",
    )
    op.create_index(
        "ix_consumer_predictions_average_days_between_orders",
        "consumer_predictions",
        ["model_id", "average_days_between_orders", "user_id"],
    )
    op.create_index(
        "ix_consumer_predictions_average_order_value",
        "consumer_predictions",
        ["model_id", "average_order_value", "user_id"],
    )
    op.create_index(
        "ix_consumer_predictions_churn_probability",
        "consumer_predictions",
        ["model_id", "churn_probability", "user_id"],
    )
    op.create_index(
        "ix_consumer_predictions_historic_clv", "consumer_predictions", ["model_id", "historic_clv", "user_id"]
    )
    op.create_index(
        "ix_consumer_predictions_historic_number_of_orders",
        "consumer_predictions",
        ["model_id", "historic_number_of_orders", "user_id"],
    )
    op.create_index(
        "ix_consumer_predictions_last_order_on", "consumer_predictions", ["model_id", "last_order_on", "user_id"]
    )
    op.create_index(
        "ix_consumer_predictions_next_order_p50", "consumer_predictions", ["model_id", "next_order_p50", "user_id"]
    )
    op.create_index(
        "ix_consumer_predictions_predicted_clv", "consumer_predictions", ["model_id", "predicted_clv", "user_id"]
    )
    op.create_index(
        "ix_consumer_predictions_predicted_number_of_orders",
        "consumer_predictions",
        ["model_id", "predicted_number_of_orders", "user_id"],
    )
    op.create_index(
        "ix_consumer_predictions_predicted_spend_tier",
        "consumer_predictions",
        ["model_id", "predicted_spend_tier", "user_id"],
    )
    op.create_index(
        "ix_consumer_predictions_probability_order_in_horizon",
        "consumer_predictions",
        ["model_id", "probability_order_in_horizon", "user_id"],
    )
    op.create_index("ix_consumer_predictions_rfm_group", "consumer_predictions", ["model_id", "rfm_group", "user_id"])
    op.create_index("ix_consumer_predictions_total_clv", "consumer_predictions", ["model_id", "total_clv", "user_id"])
    op.create_index(
        "ix_consumer_predictions_value_at_risk", "consumer_predictions", ["model_id", "value_at_risk", "user_id"]
    )
    op.create_index("ix_consumer_predictions_user_id", "consumer_predictions", ["user_id"])
    for name in ("demand_class", "status"):
        op.create_index(f"ix_product_predictions_{name}", "product_predictions", ["run_id", name, "product_id"])


def downgrade() -> None:
    for name in ("demand_class", "status"):
        op.drop_index(f"ix_product_predictions_{name}", "product_predictions")
    op.drop_table("consumer_predictions")
    op.execute("DELETE FROM prediction_models WHERE kind = 'consumers'")
    op.drop_constraint(op.f(KIND), "prediction_models", type_="check")
    op.create_check_constraint(op.f(KIND), "prediction_models", "kind IN ('demand', 'revenue')")
