"""Products: one row for each thing that can be bought, so a variant is a row of its own."""

from decimal import Decimal

from sqlalchemy import CheckConstraint, Index, Numeric, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base, Identified, Timestamped
from app.utils.search import search_document


class Product(Identified, Timestamped, Base):
    __tablename__ = "products"

    product_name: Mapped[str] = mapped_column(String(255))
    barcode: Mapped[str | None] = mapped_column(String(100))
    price: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    sku: Mapped[str] = mapped_column(String(100))
    variant: Mapped[str | None] = mapped_column(Text)
    source_website: Mapped[str] = mapped_column(String(100))
    is_active: Mapped[bool] = mapped_column(default=True, server_default=text("true"))
    stock_quantity: Mapped[int | None]

    __table_args__ = (
        # Two websites may well sell the same SKU.
        UniqueConstraint("source_website", "sku", name="uq_products_source_website_sku"),
        CheckConstraint("price >= 0", name="price_not_negative"),
    )


product_search = search_document(Product.product_name, Product.sku, Product.barcode)

Index("ix_products_search", product_search, postgresql_using="gin")
Index("ix_products_product_name", Product.product_name, Product.id)
Index("ix_products_sku", Product.sku, Product.id)
Index("ix_products_barcode", Product.barcode)
Index("ix_products_price", Product.price, Product.id)
Index("ix_products_created_at", Product.created_at, Product.id)
Index("ix_products_updated_at", Product.updated_at, Product.id)
Index("ix_products_inactive", Product.id, postgresql_where=~Product.is_active)
