from collections.abc import Mapping, Sequence
from typing import Any, Literal

from sqlalchemy.ext.asyncio import AsyncSession

from app.console.fields import Moment, Number, Paragraph, Reference, Status, Text
from app.console.listing import Filter, Kind
from app.console.table import TableView
from app.database import Database
from app.ingest import rejects
from app.ingest.models import ImportReject, RejectStatus
from app.ingest.schemas import RejectQuery, RejectRead
from app.utils.csv_export import csv_columns
from app.utils.errors import NotFound
from app.utils.listing import read_page
from app.utils.schemas import Id


class RejectsQuery(RejectQuery):
    """Of all imports, or of one."""

    sort: Literal["id", "-id"] = "-id"
    import_id: Id | None = None


class Rejects(TableView):
    key = "rejects"
    menu_label = "Rejects"
    display_name = "reject"
    icon = "fa fa-triangle-exclamation"
    about = "Records that could not be taken, and why."
    query = RejectsQuery
    filters = (
        Filter("import_id", "Import's id", Kind.NUMBER),
        Filter("status", "Status", Kind.CHOICE, tuple(RejectStatus)),
    )
    fields = (
        Number("id", label="Id", is_number=False),
        Reference("import_id", label="Import", table="imports"),
        Text("place"),
        Text("kind"),
        Text("reason"),
        Status("status"),
        Reference("retried_by", label="Tried again by", table="imports"),
        Paragraph("raw", label="The record", exclude_from_list=True),
        Moment("settled_at", label="Settled"),
        Moment("created_at", label="Created"),
    )
    columns = ("id", "import_id", "place", "kind", "reason", "status")
    listing = rejects.LISTING
    csv_columns = csv_columns(ImportReject, list(RejectRead.model_fields), text=("place", "reason", "raw"))

    async def read_page(
        self, database: Database, query: RejectsQuery
    ) -> tuple[Mapping[str, Any], Sequence[RejectRead]]:
        async with database.reads() as session:
            page = await read_page(session, rejects.LISTING, query)
        return page, [RejectRead.model_validate(item) for item in page["items"]]

    async def find(self, session: AsyncSession, row_id: int) -> RejectRead:
        found = await session.get(ImportReject, row_id)
        if found is None:
            raise NotFound(f"There is no reject {row_id}.")
        return RejectRead.model_validate(found)
