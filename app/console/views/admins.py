from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field
from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette_admin import row_action
from starlette_admin.flash import flash

from app.auth import service
from app.auth.models import AdminUser
from app.auth.schemas import MIN_PASSWORD_CHARACTERS, AdminCreate, AdminRead
from app.console.fields import Flag, Moment, Number, Secret, Text
from app.console.forms import read_new, refusals_in_form
from app.console.table import TableView, writing
from app.database import Database
from app.utils.csv_export import csv_columns
from app.utils.errors import NotFound
from app.utils.listing import Listing, read_page
from app.utils.pagination import PageQuery

_COLUMNS = (AdminUser.id, AdminUser.username, AdminUser.email, AdminUser.is_active, AdminUser.created_at)
LISTING = Listing(
    rows=select(*_COLUMNS),
    filters={
        "q": AdminUser.username.contains(bindparam("q"), autoescape=False)
        | AdminUser.email.contains(bindparam("q"), autoescape=False)
    },
    sorts={"id": AdminUser.id},
)


class AdminQuery(PageQuery):
    sort: Literal["id", "-id"] = "id"
    q: Annotated[str | None, Field(max_length=150)] = None


class Admins(TableView):
    key = "admins"
    menu_label = "Admins"
    display_name = "admin"
    icon = "fa fa-user-shield"
    about = "Who may sign in here and use the API. Passwords are changed on the command line."
    creates = True
    row_actions = ("deactivate", "activate")
    query = AdminQuery
    fields = (
        Number("id", label="Id", is_number=False),
        Text("username", maxlength=100, required=True, help_text="No spaces, no @."),
        Text("email", label="E-mail", maxlength=150, required=True, input_type="email"),
        Secret("password", required=True, help_text=f"At least {MIN_PASSWORD_CHARACTERS} characters."),
        Flag("is_active", label="Active", exclude_from_create=True),
        Moment("created_at", label="Created"),
    )
    columns = ("id", "username", "email", "is_active", "created_at")
    listing = LISTING
    csv_columns = csv_columns(AdminUser, list(AdminRead.model_fields), text=("username", "email"))

    async def read_page(self, database: Database, query: AdminQuery) -> tuple[Mapping[str, Any], Sequence[AdminRead]]:
        async with database.reads() as session:
            page = await read_page(session, LISTING, query)
        return page, [AdminRead.model_validate(item) for item in page["items"]]

    async def find(self, session: AsyncSession, row_id: int) -> AdminRead:
        admin = await session.get(AdminUser, row_id)
        if admin is None:
            raise NotFound(f"There is no admin {row_id}.")
        return AdminRead.model_validate(admin)

    def name_of(self, row: AdminRead) -> str:
        return row.username

    async def create(self, request: Request, data: dict[str, Any]) -> AdminRead:
        with refusals_in_form():
            body = read_new(AdminCreate, data)
            async with writing(request) as session:
                return AdminRead.model_validate(await service.register_admin(session, body))

    async def is_row_action_allowed_for_obj(self, request: Request, name: str, obj: AdminRead) -> bool:
        return obj.is_active == (name == "deactivate")

    @row_action("deactivate", "Deactivate", confirmation="Their sessions end at once, and their tokens in seconds.")
    async def deactivate(self, request: Request, pk: str) -> None:
        await self._set_active(request, pk, False)

    @row_action("activate", "Activate")
    async def activate(self, request: Request, pk: str) -> None:
        await self._set_active(request, pk, True)

    async def _set_active(self, request: Request, pk: str, active: bool) -> None:
        async with writing(request) as session:
            admin = await self.find(session, int(pk))
            await service.set_admin_active(session, admin.username, active)
        flash(request, f"{admin.username} is {'active' if active else 'deactivated'}.", "success")
