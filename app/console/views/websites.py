from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request

from app.console.fields import Flag, Json, Moment, Text
from app.console.table import TableView, database_of
from app.database import Database
from app.utils.csv_export import csv_columns
from app.utils.errors import NotFound
from app.utils.listing import Listing
from app.utils.pagination import PageQuery
from app.websites import service
from app.websites.models import Website
from app.websites.schemas import WebsiteRead


class WebsiteQuery(PageQuery):
    sort: Literal["name"] = "name"
    q: Annotated[str | None, Field(max_length=100)] = None


class Websites(TableView):
    """Never what is sealed: rows are those that the API answers with."""

    key = "websites"
    menu_label = "Websites"
    display_name = "website"
    icon = "fa fa-store"
    about = "Where records come from. Those with a platform are stores that are followed."
    pk_attr = "name"
    query = WebsiteQuery
    fields = (
        Text("name"),
        Text("platform"),
        Text("base_url", label="Address"),
        Text("api_version", label="API version"),
        Text("currency"),
        Text("time_zone", label="Time zone"),
        Flag("is_active", label="Followed"),
        Text("schedule", label="Changes are read"),
        Text("reconcile_schedule", label="All is compared"),
        Moment("next_sync_at", label="Next reading"),
        Moment("next_reconcile_at", label="Next comparison"),
        Json("status_map", label="Words for statuses"),
        Moment("created_at", label="Created"),
        Moment("updated_at", label="Changed"),
    )
    columns = ("name", "platform", "base_url", "currency", "next_sync_at")
    csv_columns = csv_columns(
        Website,
        [name for name in WebsiteRead.model_fields if name != "status_map"],
        text=("base_url",),
    )
    listing = Listing(rows=select(*Website.__table__.columns), filters={}, sorts={"id": Website.name})

    async def read_page(
        self, database: Database, query: WebsiteQuery
    ) -> tuple[Mapping[str, Any], Sequence[WebsiteRead]]:
        """All of them on one page: there are no more than a company has shops."""
        async with database.reads() as session:
            websites = await service.list_websites(session)
        found = [
            WebsiteRead.model_validate(each)
            for each in websites
            if query.q is None or query.q.lower() in f"{each.name} {each.base_url}"
        ]
        return {"total": len(found), "total_is_estimate": False, "next_cursor": None}, found

    async def export_rows(self, database: Database, query: WebsiteQuery) -> AsyncIterator[bytes]:
        async for part in super().export_rows(database, PageQuery(sort="id")):
            yield part

    async def find_by_pk(self, request: Request, pk: Any) -> WebsiteRead:
        async with database_of(request).reads() as session:
            return WebsiteRead.model_validate(await service.get_website(session, str(pk)))

    async def find(self, session: AsyncSession, row_id: int) -> WebsiteRead:
        raise NotFound("A website is found by its name.")

    def name_of(self, row: WebsiteRead) -> str:
        return row.name
