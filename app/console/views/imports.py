from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.console.fields import Flag, Json, Moment, Number, Paragraph, Reference, Status, Text
from app.console.listing import Filter, Kind
from app.console.table import TableView
from app.database import Database
from app.ingest import service
from app.ingest.models import Import, ImportOrigin, ImportStatus
from app.ingest.schemas import ImportQuery, ImportRead
from app.utils.csv_export import csv_columns

COUNTS = ("read", "created", "updated", "merged", "unchanged", "skipped", "rejected")


class Imports(TableView):
    key = "imports"
    menu_label = "Imports"
    display_name = "import"
    icon = "fa fa-file-import"
    about = "Files, and what was read from followed stores."
    detail_template = "tables/import.html"
    query = ImportQuery
    filters = (
        Filter("source_website", "Website", Kind.WEBSITE),
        Filter("origin", "Origin", Kind.CHOICE, tuple(ImportOrigin)),
        Filter("status", "Status", Kind.CHOICE, tuple(ImportStatus)),
    )
    fields = (
        Number("id", label="Id", is_number=False),
        Text("source_website", label="Website"),
        Text("origin"),
        Text("file_name", label="File"),
        Text("format"),
        Status("status"),
        Flag("dry_run", label="Dry run"),
        *(Number(name) for name in COUNTS),
        Reference("retry_of", label="Tries again", table="imports"),
        Paragraph("error", exclude_from_list=True),
        Moment("created_at", label="Created"),
        Moment("started_at", label="Started"),
        Moment("finished_at", label="Finished"),
        Json("details"),
    )
    columns = ("id", "source_website", "origin", "file_name", "status", "read", "rejected", "created_at")
    listing = service.LISTING
    csv_columns = csv_columns(
        Import,
        ["id", "source_website", "origin", "file_name", "format", "dry_run", "status"]
        + [f"records_{name}" for name in COUNTS]
        + ["error", "retry_of", "created_at", "started_at", "finished_at"],
        text=("file_name", "error"),
    )

    async def read_page(self, database: Database, query: ImportQuery) -> tuple[Mapping[str, Any], Sequence[ImportRead]]:
        async with database.reads() as session:
            page = await service.list_imports(session, query)
        return page, [ImportRead.model_validate(item) for item in page["items"]]

    async def find(self, session: AsyncSession, row_id: int) -> ImportRead:
        return ImportRead.model_validate(await service.get_import(session, row_id))

    def name_of(self, row: ImportRead) -> str:
        return f"Import {row.id}"
