"""create tables

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "admin_users",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("username", sa.String(length=100), nullable=False),
        sa.Column("email", sa.String(length=150), nullable=False),
        sa.Column("hashed_password", sa.String(length=255), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_admin_users")),
        sa.UniqueConstraint("email", name=op.f("uq_admin_users_email")),
        sa.UniqueConstraint("username", name=op.f("uq_admin_users_username")),
    )
    op.create_table(
        "imports",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("source_website", sa.String(length=100), nullable=False),
        sa.Column("file_name", sa.String(length=255), nullable=False),
        sa.Column("format", sa.String(length=50), nullable=False),
        sa.Column("dry_run", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("status", sa.String(length=20), server_default="queued", nullable=False),
        sa.Column("records_read", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("records_created", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("records_updated", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("records_unchanged", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("records_skipped", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("records_rejected", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("merged_up_to", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('queued', 'running', 'succeeded', 'failed')", name=op.f("ck_imports_status_known")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
    )
    op.create_index("ix_imports_source_website", "imports", ["source_website", "id"])
    op.create_table(
        "login_attempts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("has_failed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("attempted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_login_attempts")),
    )
    op.create_index("ix_login_attempts_account", "login_attempts", ["account", "attempted_at"])
    op.create_index("ix_login_attempts_address", "login_attempts", ["address", "attempted_at"])
    op.create_index("ix_login_attempts_attempted_at", "login_attempts", ["attempted_at"])
    op.create_table(
        "products",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("product_name", sa.String(length=255), nullable=False),
        sa.Column("barcode", sa.String(length=100), nullable=True),
        sa.Column("price", sa.Numeric(precision=10, scale=2), nullable=False),
        sa.Column("sku", sa.String(length=100), nullable=False),
        sa.Column("variant", sa.Text(), nullable=True),
        sa.Column("source_website", sa.String(length=100), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("stock_quantity", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("price >= 0", name=op.f("ck_products_price_not_negative")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_products")),
        sa.UniqueConstraint("source_website", "sku", name="uq_products_source_website_sku"),
    )
    op.create_index("ix_products_barcode", "products", ["barcode"])
    op.create_index("ix_products_created_at", "products", ["created_at", "id"])
    op.create_index("ix_products_price", "products", ["price", "id"])
    op.create_index("ix_products_product_name", "products", ["product_name", "id"])
    op.create_index(
        "ix_products_search",
        "products",
        [
            sa.text(
                "to_tsvector('simple'::regconfig, translate((((coalesce(product_name, '') || ' ') || coalesce(sku, '')) || ' ') || coalesce(barcode, ''), '@.-_+/&<>:=?#~', '              '))"
            )
        ],
        postgresql_using="gin",
    )
    op.create_index("ix_products_sku", "products", ["sku", "id"])
    op.create_index("ix_products_updated_at", "products", ["updated_at", "id"])
    op.create_table(
        "users",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("phone", sa.String(length=20), nullable=False),
        sa.Column("email", sa.String(length=150), nullable=False),
        sa.Column("type", sa.String(length=50), server_default="consumer", nullable=False),
        sa.Column("source_website", sa.String(length=100), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
    )
    op.create_index("ix_users_created_at", "users", ["created_at", "id"])
    op.create_index("ix_users_name", "users", ["name", "id"])
    op.create_index(
        "ix_users_name_search",
        "users",
        [
            sa.text(
                "to_tsvector('simple'::regconfig, translate(coalesce(name, ''), '@.-_+/&<>:=?#~', '              '))"
            )
        ],
        postgresql_using="gin",
    )
    op.create_index("ix_users_phone", "users", ["phone"])
    op.create_index(
        "ix_users_search",
        "users",
        [
            sa.text(
                "to_tsvector('simple'::regconfig, translate((((coalesce(name, '') || ' ') || coalesce(regexp_replace(email, '.*[.]invalid$', ''), '')) || ' ') || coalesce(phone, ''), '@.-_+/&<>:=?#~', '              '))"
            )
        ],
        postgresql_using="gin",
    )
    op.create_index("ix_users_source_website", "users", ["source_website", "id"])
    op.create_index("ix_users_type", "users", ["type", "id"])
    op.create_index("ix_users_updated_at", "users", ["updated_at", "id"])
    op.create_table(
        "websites",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_websites")),
    )
    op.create_table(
        "import_records",
        sa.Column("import_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("record", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["import_id"],
            ["imports.id"],
            name=op.f("fk_import_records_import_id_imports"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("import_id", "position", name=op.f("pk_import_records")),
    )
    op.create_index("ix_import_records_key", "import_records", ["import_id", "kind", "key", "position"])
    op.create_table(
        "import_rejects",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("import_id", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("raw", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["import_id"],
            ["imports.id"],
            name=op.f("fk_import_rejects_import_id_imports"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_rejects")),
    )
    op.create_index("ix_import_rejects_import_id", "import_rejects", ["import_id", "id"])
    op.create_table(
        "orders",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("order_number", sa.String(length=100), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("total_amount", sa.Numeric(precision=12, scale=2), server_default=sa.text("0"), nullable=False),
        sa.Column("status", sa.String(length=50), server_default="pending", nullable=False),
        sa.Column("source_website", sa.String(length=100), nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("discount_total", sa.Numeric(precision=12, scale=2), server_default=sa.text("0"), nullable=False),
        sa.Column("shipping_total", sa.Numeric(precision=12, scale=2), server_default=sa.text("0"), nullable=False),
        sa.Column("tax_total", sa.Numeric(precision=12, scale=2), server_default=sa.text("0"), nullable=False),
        sa.Column("fee_total", sa.Numeric(precision=12, scale=2), server_default=sa.text("0"), nullable=False),
        sa.Column("refunded_total", sa.Numeric(precision=12, scale=2), server_default=sa.text("0"), nullable=False),
        sa.Column("tax_included", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("reconciles", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("source_status", sa.String(length=50), nullable=True),
        sa.Column("is_test", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "status IN ('pending', 'confirmed', 'shipped', 'delivered', 'cancelled')",
            name=op.f("ck_orders_status_known"),
        ),
        sa.CheckConstraint("discount_total >= 0", name=op.f("ck_orders_discount_not_negative")),
        sa.CheckConstraint("refunded_total >= 0", name=op.f("ck_orders_refunded_not_negative")),
        sa.CheckConstraint("shipping_total >= 0", name=op.f("ck_orders_shipping_not_negative")),
        sa.CheckConstraint("tax_total >= 0", name=op.f("ck_orders_tax_not_negative")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_orders_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
        sa.UniqueConstraint("source_website", "order_number", name="uq_orders_source_website_order_number"),
    )
    op.create_index("ix_orders_created_at", "orders", ["created_at", "id"])
    op.create_index("ix_orders_currency", "orders", ["currency", "placed_at", "id"])
    op.create_index(
        "ix_orders_number_search",
        "orders",
        [
            sa.text(
                "to_tsvector('simple'::regconfig, translate(coalesce(order_number, ''), '@.-_+/&<>:=?#~', '              '))"
            )
        ],
        postgresql_using="gin",
    )
    op.create_index("ix_orders_order_number", "orders", ["order_number", "id"])
    op.create_index("ix_orders_placed_at", "orders", ["placed_at", "id"])
    op.create_index("ix_orders_source_website", "orders", ["source_website", "placed_at", "id"])
    op.create_index("ix_orders_status", "orders", ["status", "placed_at", "id"])
    op.create_index("ix_orders_total_amount", "orders", ["total_amount", "id"])
    op.create_index("ix_orders_updated_at", "orders", ["updated_at", "id"])
    op.create_index("ix_orders_user_id", "orders", ["user_id", "placed_at"])
    op.create_table(
        "user_addresses",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("country", sa.String(length=100), nullable=False),
        sa.Column("city", sa.String(length=100), nullable=False),
        sa.Column("district", sa.String(length=100), nullable=True),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("is_default", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_user_addresses_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_addresses")),
    )
    op.create_index("ix_user_addresses_country_city", "user_addresses", ["country", "city"])
    op.create_index("ix_user_addresses_user_id", "user_addresses", ["user_id"])
    op.create_index(
        "uq_user_addresses_default",
        "user_addresses",
        ["user_id"],
        unique=True,
        postgresql_where=sa.text("is_default"),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("admin_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("request_hash", sa.String(length=64), nullable=False),
        sa.Column("order_id", sa.BigInteger(), nullable=False),
        sa.Column("response", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["admin_id"], ["admin_users.id"], name=op.f("fk_idempotency_keys_admin_id_admin_users")
        ),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_idempotency_keys_order_id_orders")),
        sa.PrimaryKeyConstraint("admin_id", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])
    op.create_table(
        "order_details",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("order_id", sa.BigInteger(), nullable=False),
        sa.Column("product_id", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("unit_price", sa.Numeric(precision=10, scale=2), nullable=False),
        sa.Column("total_price", sa.Numeric(precision=12, scale=2), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("quantity >= 1", name=op.f("ck_order_details_quantity_positive")),
        sa.CheckConstraint("total_price >= 0", name=op.f("ck_order_details_total_price_not_negative")),
        sa.CheckConstraint("unit_price >= 0", name=op.f("ck_order_details_unit_price_not_negative")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_order_details_order_id_orders")),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], name=op.f("fk_order_details_product_id_products")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_details")),
    )
    op.create_index("ix_order_details_order_id", "order_details", ["order_id"])
    op.create_index("ix_order_details_product_id", "order_details", ["product_id", "order_id"])
    op.create_table(
        "source_records",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("source_website", sa.String(length=100), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("external_id", sa.String(length=300), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("product_id", sa.BigInteger(), nullable=True),
        sa.Column("order_id", sa.BigInteger(), nullable=True),
        sa.Column("content_hash", sa.LargeBinary(), nullable=True),
        sa.Column("source_updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("said", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("num_nonnulls(user_id, product_id, order_id) <= 1", name=op.f("ck_source_records_one_row")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_source_records_order_id_orders")),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], name=op.f("fk_source_records_product_id_products")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_source_records_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source_records")),
        sa.UniqueConstraint("source_website", "kind", "external_id", name="uq_source_records_external_id"),
    )
    op.create_index(
        "ix_source_records_order_id",
        "source_records",
        ["order_id"],
        postgresql_where=sa.text("order_id IS NOT NULL"),
    )
    op.create_index(
        "ix_source_records_product_id",
        "source_records",
        ["product_id"],
        postgresql_where=sa.text("product_id IS NOT NULL"),
    )
    op.create_index(
        "ix_source_records_user_id",
        "source_records",
        ["user_id"],
        postgresql_where=sa.text("user_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_table("source_records")
    op.drop_table("order_details")
    op.drop_table("idempotency_keys")
    op.drop_table("user_addresses")
    op.drop_table("orders")
    op.drop_table("import_rejects")
    op.drop_table("import_records")
    op.drop_table("websites")
    op.drop_table("users")
    op.drop_table("products")
    op.drop_table("login_attempts")
    op.drop_table("imports")
    op.drop_table("admin_users")
