"""The rules of products. A SKU is unique within its website; deleting deactivates."""

from sqlalchemy import bindparam, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Database
from app.predictions.product_filters import PRODUCT_FILTERS
from app.predictions.service import recall_run_reference
from app.products.models import Product, product_search
from app.products.schemas import ProductCreate, ProductQuery, ProductRead, ProductUpdate
from app.utils.errors import Conflict, NotFound, violates
from app.utils.json_rows import json_object, json_text
from app.utils.listing import Listing, read_page_json
from app.utils.search import matches_words, to_words
from app.websites.service import ensure_website

LISTING = Listing(
    rows=select(json_text(json_object(ProductRead, Product))).select_from(Product),
    filters={
        "q": matches_words(product_search),
        "source_website": Product.source_website == bindparam("source_website"),
        "sku": Product.sku == bindparam("sku"),
        "barcode": Product.barcode == bindparam("barcode"),
        "price_min": Product.price >= bindparam("price_min"),
        "price_max": Product.price <= bindparam("price_max"),
        "created_from": Product.created_at >= bindparam("created_from"),
        "created_to": Product.created_at <= bindparam("created_to"),
        "updated_since": Product.updated_at >= bindparam("updated_since"),
        **PRODUCT_FILTERS,
    },
    sorts={
        "id": Product.id,
        "product_name": Product.product_name,
        "sku": Product.sku,
        "price": Product.price,
        "created_at": Product.created_at,
        "updated_at": Product.updated_at,
    },
    to_bound={"q": to_words},
    choices={"is_active": {"true": Product.is_active.is_(True), "false": ~Product.is_active}},
    unpredictable=frozenset({"q"} | PRODUCT_FILTERS.keys()),
)


async def list_products(database: Database, request: ProductQuery) -> bytes:
    """A page of products, as JSON. Raises NotFound for a filter of what is predicted where nothing has been."""
    asked, _ = request.resume()
    if not asked.predicted_filters():
        return await read_page_json(database, LISTING, request)
    run = await recall_run_reference(database, asked.source_website, None)
    return await read_page_json(database, LISTING, request, prediction_run_id=run["id"])


async def get_product(session: AsyncSession, product_id: int, *, for_update: bool = False) -> Product:
    product = await session.get(Product, product_id, with_for_update=for_update or None)
    if product is None:
        raise NotFound(f"There is no product {product_id}.")
    return product


async def create_product(session: AsyncSession, data: ProductCreate) -> Product:
    await ensure_website(session, data.source_website)
    product = Product(**data.model_dump())
    session.add(product)
    await _flush(session, product)
    return product


async def update_product(session: AsyncSession, product_id: int, data: ProductUpdate) -> Product:
    product = await get_product(session, product_id, for_update=True)
    changes = data.changes()
    if "source_website" in changes:
        await ensure_website(session, changes["source_website"])
    for name, value in changes.items():
        setattr(product, name, value)
    await _flush(session, product)
    return product


async def deactivate_product(session: AsyncSession, product_id: int) -> None:
    """Soft delete; doing it again changes nothing."""
    product = await get_product(session, product_id, for_update=True)
    product.is_active = False
    await session.flush()


async def _flush(session: AsyncSession, product: Product) -> None:
    sku, website = product.sku, product.source_website
    try:
        await session.flush()
    except IntegrityError as error:
        if violates(error, "uq_products_source_website_sku"):
            raise Conflict(f"A product with the sku {sku} exists on {website} already.") from None
        raise
