from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette_admin import row_action
from starlette_admin.flash import flash

from app.console.fields import Flag, Moment, Number, Text
from app.console.forms import read_changes, read_new, refusals_in_form
from app.console.listing import Filter, Kind
from app.console.table import TableView, writing
from app.database import Database
from app.users import service
from app.users.models import PLACEHOLDER_DOMAIN, User
from app.users.schemas import UserCreate, UserQuery, UserRead, UserUpdate, UserWithAddresses
from app.utils.csv_export import csv_columns
from app.utils.errors import Unprocessable


class Consumers(TableView):
    key = "consumers"
    menu_label = "Consumers"
    display_name = "consumer"
    icon = "fa fa-users"
    about = "One person an e-mail address, whatever websites they came from."
    detail_template = "tables/consumer.html"
    creates = edits = True
    row_actions = ("deactivate", "restore")
    query = UserQuery
    filters = (
        Filter("source_website", "Known on", Kind.WEBSITE),
        Filter("is_active", "Active", Kind.CHOICE, ("true", "false", "any")),
        Filter("country", "Country"),
        Filter("city", "City"),
        Filter("email", "E-mail"),
        Filter("phone", "Phone"),
        Filter("type", "Type"),
        Filter("created_from", "Created from", Kind.DAY),
        Filter("created_to", "Created to", Kind.DAY),
    )
    fields = (
        Number("id", label="Id", is_number=False),
        Text("name", maxlength=100, required=True),
        Text("email", label="E-mail", maxlength=150, input_type="email"),
        Text("phone", maxlength=20),
        Text("type", maxlength=50, required=True, default="consumer"),
        Text("source_website", label="First seen on", maxlength=100, required=True),
        Flag("is_active", label="Active", default=True),
        Moment("created_at", label="Created"),
        Moment("updated_at", label="Changed"),
    )
    columns = ("id", "name", "email", "phone", "source_website", "created_at")
    listing = service.LISTING
    csv_columns = csv_columns(
        User,
        list(UserRead.model_fields),
        text=("name", "phone", "email", "type"),
        expressions={"email": f"CASE WHEN users.email NOT LIKE '%{PLACEHOLDER_DOMAIN}' THEN users.email END"},
    )

    def list_sorts(self) -> set[str]:
        # Placeholders are no e-mails that a list could go on after.
        return super().list_sorts() - {"email"}

    async def read_page(self, database: Database, query: UserQuery) -> tuple[Mapping[str, Any], Sequence[UserRead]]:
        page = orjson.loads(await service.list_users(database, query))
        return page, [UserRead.model_validate(item) for item in page["items"]]

    async def export_rows(self, database: Database, query: UserQuery) -> AsyncIterator[bytes]:
        if predicted := sorted(query.predicted_filters()):
            raise Unprocessable("This is exported where predictions are.", field=predicted[0], location="query")
        async for part in super().export_rows(database, query):
            yield part

    async def find(self, session: AsyncSession, row_id: int) -> UserWithAddresses:
        return UserWithAddresses.model_validate(await service.get_user(session, row_id, with_addresses=True))

    def name_of(self, row: UserRead) -> str:
        return row.name

    async def create(self, request: Request, data: dict[str, Any]) -> UserRead:
        with refusals_in_form():
            body = read_new(UserCreate, data)
            async with writing(request) as session:
                return UserRead.model_validate(await service.create_user(session, body))

    async def edit(self, request: Request, pk: Any, data: dict[str, Any]) -> UserRead:
        with refusals_in_form():
            async with writing(request) as session:
                current = UserRead.model_validate(await service.get_user(session, int(pk), for_update=True))
                changes = read_changes(UserUpdate, data, current)
                return UserRead.model_validate(await service.update_user(session, int(pk), changes))

    async def is_row_action_allowed_for_obj(self, request: Request, name: str, obj: UserRead) -> bool:
        return obj.is_active == (name == "deactivate")

    @row_action("deactivate", "Deactivate", confirmation="Their orders stay, and lists leave the consumer out.")
    async def deactivate(self, request: Request, pk: str) -> None:
        async with writing(request) as session:
            await service.deactivate_user(session, int(pk))
        flash(request, "The consumer is deactivated.", "success")

    @row_action("restore", "Restore")
    async def restore(self, request: Request, pk: str) -> None:
        async with writing(request) as session:
            await service.update_user(session, int(pk), UserUpdate(is_active=True))
        flash(request, "The consumer is active again.", "success")
