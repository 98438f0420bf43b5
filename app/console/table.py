"""A table of the console: a list, its export, and the page of a row, read by the services that the API reads by."""

from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar, get_args

from pydantic import ValidationError
from sqlalchemy import Label
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette_admin import BaseModelView, RequestAction
from starlette_admin.exceptions import ActionFailed
from starlette_admin.fields import BaseField
from starlette_admin.flash import flash

from app.console.fields import Reference
from app.console.listing import SIZES, Filter, Kind, ListState, Shown, arrange, read_state, resume
from app.database import Database
from app.utils.csv_export import as_download, stream_csv
from app.utils.errors import AppError, describe, to_field_error
from app.utils.listing import Listing
from app.utils.pagination import PageQuery
from app.utils.schemas import MAX_ID
from app.websites.service import list_websites

PIECE_BYTES = 64 * 1024


def database_of(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


def writing(request: Request) -> AbstractAsyncContextManager[AsyncSession]:
    """A transaction, committed when it is left without an error."""
    return database_of(request).sessions.begin()


def read_id(pk: str) -> int | None:
    return int(pk) if pk.isascii() and pk.isdigit() and 0 < int(pk) <= MAX_ID else None


async def _in_pieces(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """A part is a line, and to hand a thousand of them on through the middleware costs as much as to hand on one."""
    piece = bytearray()
    async for part in parts:
        piece += part
        if len(piece) >= PIECE_BYTES:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece)


class TableView(BaseModelView):
    """What a table says of itself: `query` is the list's, `columns` are shown where the address asks for no others."""

    pk_attr = "id"
    list_template = "tables/list.html"
    detail_template = "tables/detail.html"
    create_template = "tables/form.html"
    edit_template = "tables/form.html"
    actions: Sequence[str] = ()
    row_actions: Sequence[str] = ()
    importers = ()
    exporters = ()

    about: ClassVar[str] = ""
    query: ClassVar[type[PageQuery]]
    filters: ClassVar[Sequence[Filter]] = ()
    columns: ClassVar[Sequence[str]]
    creates: ClassVar[bool] = False
    edits: ClassVar[bool] = False
    listing: ClassVar[Listing]
    csv_columns: ClassVar[Sequence[Label[Any]]]

    def can_create(self, request: Request) -> bool:
        return self.creates

    def can_edit(self, request: Request) -> bool:
        return self.edits

    def can_delete(self, request: Request) -> bool:
        return False

    def can_import(self, request: Request) -> bool:
        return False

    @abstractmethod
    async def read_page(self, database: Database, query: Any) -> tuple[Mapping[str, Any], Sequence[Any]]:
        """What a list's answer says of the page, and its rows as objects with the fields' values."""

    @abstractmethod
    async def find(self, session: AsyncSession, row_id: int) -> Any:
        """A row by its id. Raises NotFound."""

    def name_of(self, row: Any) -> str:
        """What a person calls the row."""
        return f"{self.display_name} {row.id}"

    async def read_more(self, request: Request, session: AsyncSession, row: Any) -> dict[str, Any]:
        """What the row's page shows besides its fields, for its template."""
        return {}

    async def export_rows(self, database: Database, query: Any) -> AsyncIterator[bytes]:
        async for part in stream_csv(database, self.listing, self.csv_columns, query):
            yield part

    # The list

    async def show_list(self, request: Request) -> Response:
        request.state.action = RequestAction.LIST
        database = database_of(request)
        state = read_state(self.query, request.query_params)
        shown: Shown | None = None
        if state.query is not None:
            about, rows = await self.read_page(database, resume(state))
            shown = arrange(state, about, rows)
        fields = self.get_fields_list(request)
        chosen = [name for name in state.columns if any(each.name == name for each in fields)] or self.columns
        visible = [each for each in fields if each.name in chosen]
        websites: list[str] = []
        if any(each.kind == Kind.WEBSITE for each in self.filters):
            async with database.reads() as session:
                websites = [website.name for website in await list_websites(session)]
        return self.render(
            request,
            self.list_template,
            status=200 if shown else 422,
            title=self.menu_label,
            state=state,
            shown=shown,
            rows=[(self.pk_of(row), await self.read_cells(request, row, visible)) for row in shown.rows]
            if shown
            else [],
            fields=visible,
            opening=next((each.name for each in visible if not isinstance(each, Reference)), None),
            all_fields=fields,
            sort=state.query.sort if state.query else "",
            sortable=self.list_sorts(),
            sizes=SIZES,
            websites=websites,
            filtered=self.count_filters(state),
        )

    def list_sorts(self) -> set[str]:
        """Fields that the list can be ordered by."""
        return {name.removeprefix("-") for name in get_args(self.query.model_fields["sort"].annotation)}

    def count_filters(self, state: ListState[Any]) -> int:
        """Those that leave rows out which the list shows else."""
        return sum(1 for each in self.filters if state.values(each.name) not in ([], [self.default_of(each)]))

    def default_of(self, filter_: Filter) -> str:
        return str(self.query.model_fields[filter_.name].default or "")

    async def read_cells(self, request: Request, row: Any, fields: Sequence[BaseField]) -> dict[str, Any]:
        return {
            each.name: await self.serialize_field_value(await each.parse_obj(request, row), each, request)
            for each in fields
        }

    def pk_of(self, row: Any) -> Any:
        return getattr(row, self.pk_attr or "id")

    async def export(self, request: Request) -> Response:
        """What the list shows, all of its pages and every column."""
        state = read_state(self.query, request.query_params)
        if state.query is None:
            return RedirectResponse(f"list?{request.url.query}", status_code=303)
        rows = self.export_rows(database_of(request), state.query)
        return await as_download(f"{self.key}.csv", _in_pieces(rows))

    # A row

    async def find_by_pk(self, request: Request, pk: Any) -> Any:
        row_id = read_id(str(pk))
        if row_id is None:
            raise HTTPException(404)
        async with database_of(request).reads() as session:
            return await self.find(session, row_id)

    async def show_record(self, request: Request, pk: str) -> Response:
        request.state.action = RequestAction.DETAIL
        row = await self.find_by_pk(request, pk)
        async with database_of(request).reads() as session:
            more = await self.read_more(request, session, row)
        fields = self.get_fields_list(request)
        return self.render(
            request,
            self.detail_template,
            title=self.name_of(row),
            row=row,
            pk=self.pk_of(row),
            cells=await self.read_cells(request, row, fields),
            fields=fields,
            actions=await self.get_row_actions_for_obj(request, row),
            **more,
        )

    async def act(self, request: Request, pk: str, name: str) -> Response:
        """Runs what was declared with `row_action`; a refusal is told on the row's page."""
        request.state.action = RequestAction.ROW_ACTION
        await self.find_by_pk(request, pk)
        try:
            answer = await self.handle_row_action(request, pk, name)
        except ActionFailed as error:
            flash(request, error.msg, "error")
        except AppError as error:
            flash(request, error.detail, "error")
        except ValidationError as error:
            flash(request, describe([to_field_error(item) for item in error.errors()]), "error")
        else:
            if answer is not None:
                return answer
        return RedirectResponse(f"{request.scope['root_path']}/{self.key}/detail/{pk}", status_code=303)

    async def repr(self, obj: Any, request: Request) -> str:
        return self.name_of(obj)

    def render(self, request: Request, template: str, *, status: int = 200, **context: Any) -> Response:
        assert self._admin is not None
        return self._admin._template_response(request, template, {"view": self, **context}, status)
