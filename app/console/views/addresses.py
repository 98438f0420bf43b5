from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field
from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette_admin import row_action
from starlette_admin.flash import flash

from app.console.fields import Flag, Moment, Number, Paragraph, Reference, Text
from app.console.forms import read_changes, read_new, refusals_in_form
from app.console.listing import Filter, Kind
from app.console.table import TableView, read_id, writing
from app.database import Database
from app.users import service
from app.users.models import UserAddress
from app.users.schemas import AddressCreate, AddressRead, AddressUpdate
from app.utils.csv_export import csv_columns
from app.utils.errors import NotFound, Unprocessable
from app.utils.listing import Listing, read_page
from app.utils.pagination import PageQuery
from app.utils.schemas import Id

LISTING = Listing(
    rows=select(*UserAddress.__table__.columns),
    filters={
        "user_id": UserAddress.user_id == bindparam("user_id"),
        "country": UserAddress.country == bindparam("country"),
        "city": UserAddress.city == bindparam("city"),
    },
    sorts={"id": UserAddress.id},
    unpredictable=frozenset({"user_id", "country", "city"}),
)


class AddressQuery(PageQuery):
    """Cities are found within their country: there is no index for them alone."""

    sort: Literal["id", "-id"] = "-id"
    user_id: Id | None = None
    country: Annotated[str | None, Field(max_length=100)] = None
    city: Annotated[str | None, Field(max_length=100)] = None


class Addresses(TableView):
    key = "addresses"
    menu_label = "Addresses"
    display_name = "address"
    icon = "fa fa-location-dot"
    about = "Where consumers live; a consumer has at most one that is the default."
    creates = edits = True
    row_actions = ("remove",)
    query = AddressQuery
    filters = (
        Filter("user_id", "Consumer's id", Kind.NUMBER),
        Filter("country", "Country"),
        Filter("city", "City"),
    )
    fields = (
        Number("id", label="Id", is_number=False),
        Reference(
            "user_id",
            label="Consumer",
            table="consumers",
            required=True,
            exclude_from_edit=True,
            default=lambda request: request.query_params.get("user_id"),
            help_text="Their id.",
        ),
        Text("country", maxlength=100),
        Text("city", maxlength=100),
        Text("district", maxlength=100),
        Paragraph("address", label="Street address", maxlength=10_000),
        Flag("is_default", label="Default"),
        Moment("created_at", label="Created"),
        Moment("updated_at", label="Changed"),
    )
    columns = ("id", "user_id", "country", "city", "address", "is_default")
    listing = LISTING
    csv_columns = csv_columns(
        UserAddress, list(AddressRead.model_fields), text=("country", "city", "district", "address")
    )

    async def read_page(
        self, database: Database, query: AddressQuery
    ) -> tuple[Mapping[str, Any], Sequence[AddressRead]]:
        async with database.reads() as session:
            page = await read_page(session, LISTING, query)
        return page, [AddressRead.model_validate(item) for item in page["items"]]

    async def find(self, session: AsyncSession, row_id: int) -> AddressRead:
        address = await session.get(UserAddress, row_id)
        if address is None:
            raise NotFound(f"There is no address {row_id}.")
        return AddressRead.model_validate(address)

    def name_of(self, row: AddressRead) -> str:
        return ", ".join(part for part in (row.address, row.city, row.country) if part) or f"Address {row.id}"

    async def create(self, request: Request, data: dict[str, Any]) -> AddressRead:
        with refusals_in_form():
            user_id = read_id(str(data.pop("user_id")))
            if user_id is None:
                raise Unprocessable("This is no consumer's id.", field="user_id")
            body = read_new(AddressCreate, data)
            async with writing(request) as session:
                return AddressRead.model_validate(await service.create_address(session, user_id, body))

    async def edit(self, request: Request, pk: Any, data: dict[str, Any]) -> AddressRead:
        with refusals_in_form():
            async with writing(request) as session:
                current = await self.find(session, int(pk))
                changes = read_changes(AddressUpdate, data, current)
                changed = await service.update_address(session, current.user_id, current.id, changes)
                return AddressRead.model_validate(changed)

    @row_action("remove", "Delete", confirmation="The address is deleted for good.", custom_response=True)
    async def remove(self, request: Request, pk: str) -> Response:
        async with writing(request) as session:
            address = await self.find(session, int(pk))
            await service.delete_address(session, address.user_id, address.id)
        flash(request, "The address is deleted.", "success")
        return RedirectResponse(f"{request.scope['root_path']}/consumers/detail/{address.user_id}", status_code=303)
