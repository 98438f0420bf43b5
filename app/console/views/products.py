from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette_admin import row_action
from starlette_admin.flash import flash

from app.console.fields import Flag, Moment, Money, Number, Text
from app.console.forms import read_changes, read_new, refusals_in_form
from app.console.listing import Filter, Kind
from app.console.table import TableView, writing
from app.database import Database
from app.products import service
from app.products.models import Product
from app.products.schemas import ProductCreate, ProductQuery, ProductRead, ProductUpdate
from app.utils.csv_export import csv_columns
from app.utils.errors import Unprocessable


class Products(TableView):
    key = "products"
    menu_label = "Products"
    display_name = "product"
    icon = "fa fa-box"
    about = "Whatever can be bought by itself: a variant is a product of its own."
    detail_template = "tables/product.html"
    creates = edits = True
    row_actions = ("deactivate", "restore")
    query = ProductQuery
    filters = (
        Filter("source_website", "Website", Kind.WEBSITE),
        Filter("is_active", "Active", Kind.CHOICE, ("true", "false", "any")),
        Filter("sku", "SKU"),
        Filter("barcode", "Barcode"),
        Filter("price_min", "Price from", Kind.NUMBER),
        Filter("price_max", "Price to", Kind.NUMBER),
        Filter("created_from", "Created from", Kind.DAY),
        Filter("created_to", "Created to", Kind.DAY),
    )
    fields = (
        Number("id", label="Id", is_number=False),
        Text("product_name", label="Name", maxlength=255, required=True),
        Text("variant", maxlength=10_000),
        Text("sku", label="SKU", maxlength=100, required=True),
        Text("barcode", maxlength=100),
        Money("price", required=True),
        Number("stock_quantity", label="In stock"),
        Text("source_website", label="Website", maxlength=100, required=True),
        Flag("is_active", label="Active", default=True),
        Moment("created_at", label="Created"),
        Moment("updated_at", label="Changed"),
    )
    columns = ("id", "product_name", "variant", "sku", "price", "stock_quantity", "source_website")
    listing = service.LISTING
    csv_columns = csv_columns(
        Product, list(ProductRead.model_fields), text=("product_name", "barcode", "sku", "variant")
    )

    async def read_page(
        self, database: Database, query: ProductQuery
    ) -> tuple[Mapping[str, Any], Sequence[ProductRead]]:
        page = orjson.loads(await service.list_products(database, query))
        return page, [ProductRead.model_validate(item) for item in page["items"]]

    async def export_rows(self, database: Database, query: ProductQuery) -> AsyncIterator[bytes]:
        if predicted := sorted(query.predicted_filters()):
            raise Unprocessable("This is exported where predictions are.", field=predicted[0], location="query")
        async for part in super().export_rows(database, query):
            yield part

    async def find(self, session: AsyncSession, row_id: int) -> ProductRead:
        return ProductRead.model_validate(await service.get_product(session, row_id))

    def name_of(self, row: ProductRead) -> str:
        return row.product_name

    async def create(self, request: Request, data: dict[str, Any]) -> ProductRead:
        with refusals_in_form():
            body = read_new(ProductCreate, data)
            async with writing(request) as session:
                return ProductRead.model_validate(await service.create_product(session, body))

    async def edit(self, request: Request, pk: Any, data: dict[str, Any]) -> ProductRead:
        with refusals_in_form():
            async with writing(request) as session:
                current = ProductRead.model_validate(await service.get_product(session, int(pk), for_update=True))
                changes = read_changes(ProductUpdate, data, current)
                return ProductRead.model_validate(await service.update_product(session, int(pk), changes))

    async def is_row_action_allowed_for_obj(self, request: Request, name: str, obj: ProductRead) -> bool:
        return obj.is_active == (name == "deactivate")

    @row_action("deactivate", "Deactivate", confirmation="Lists leave the product out, and no new order can hold it.")
    async def deactivate(self, request: Request, pk: str) -> None:
        async with writing(request) as session:
            await service.deactivate_product(session, int(pk))
        flash(request, "The product is deactivated.", "success")

    @row_action("restore", "Restore")
    async def restore(self, request: Request, pk: str) -> None:
        async with writing(request) as session:
            await service.update_product(session, int(pk), ProductUpdate(is_active=True))
        flash(request, "The product is active again.", "success")
