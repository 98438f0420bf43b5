"""The rules of products. A SKU is unique within its website; deleting deactivates."""

from typing import Any

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.products.models import Product, product_search
from app.products.schemas import ProductCreate, ProductQuery, ProductUpdate
from app.utils.errors import Conflict, NotFound, violates
from app.utils.pagination import paginate
from app.utils.search import matches_words
from app.websites.service import ensure_website

SORTS = {
    "id": Product.id,
    "product_name": Product.product_name,
    "sku": Product.sku,
    "price": Product.price,
    "created_at": Product.created_at,
    "updated_at": Product.updated_at,
}


async def list_products(session: AsyncSession, request: ProductQuery) -> dict[str, Any]:
    query, after = request.resume()
    statement: Select[*tuple[Any, ...]] = select(*Product.__table__.columns).where(*_conditions(query))
    return await paginate(session, statement, query, sorts=SORTS, after=after)


def _conditions(query: ProductQuery) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = []
    if query.q is not None:
        wanted.append(matches_words(product_search, query.q))
    if query.is_active != "any":
        wanted.append(Product.is_active.is_(query.is_active == "true"))
    if query.source_website is not None:
        wanted.append(Product.source_website == query.source_website)
    if query.sku is not None:
        wanted.append(Product.sku == query.sku)
    if query.barcode is not None:
        wanted.append(Product.barcode == query.barcode)
    if query.price_min is not None:
        wanted.append(Product.price >= query.price_min)
    if query.price_max is not None:
        wanted.append(Product.price <= query.price_max)
    if query.created_from is not None:
        wanted.append(Product.created_at >= query.created_from)
    if query.created_to is not None:
        wanted.append(Product.created_at <= query.created_to)
    if query.updated_since is not None:
        wanted.append(Product.updated_at >= query.updated_since)
    return wanted


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
