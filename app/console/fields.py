"""Fields of tables: the library's, with how a value is shown."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette_admin.fields import BaseField, BooleanField, StringField, TextAreaField

__all__ = ["Flag", "Json", "Moment", "Money", "Number", "Paragraph", "Reference", "Secret", "Status", "Text"]


@dataclass
class Text(StringField):
    pass


@dataclass
class Paragraph(TextAreaField):
    rows: int = 3
    detail_template: str = "fields/detail/paragraph.html"


@dataclass
class Flag(BooleanField):
    """Yes or no."""


@dataclass
class Status(StringField):
    """A word in a colour of its own, by `values.TONES`."""

    list_template: str = "fields/list/status.html"
    detail_template: str = "fields/list/status.html"


@dataclass
class Number(StringField):
    """A count. What a form holds is left to the schema to read, whose message names what is wrong."""

    is_number: bool = True
    inputmode: str = "numeric"
    list_template: str = "fields/list/number.html"
    detail_template: str = "fields/list/number.html"

    def input_params(self) -> str:
        return f'{super().input_params()} inputmode="{self.inputmode}"'

    async def serialize_value(self, request: Request, value: Any) -> Any:
        return value


@dataclass
class Money(Number):
    """`currency` names the field of the row that tells it."""

    currency: str | None = None
    inputmode: str = "decimal"
    list_template: str = "fields/list/money.html"
    detail_template: str = "fields/list/money.html"

    async def parse_obj(self, request: Request, obj: Any) -> Any:
        if request.state.action.is_form():
            return await super().parse_obj(request, obj)
        return {"amount": getattr(obj, self.name), "currency": getattr(obj, self.currency) if self.currency else None}


@dataclass
class Moment(BaseField):
    """A time in UTC; never in a form."""

    list_template: str = "fields/list/moment.html"
    detail_template: str = "fields/list/moment.html"
    exclude_from_create: bool | None = True
    exclude_from_edit: bool | None = True

    async def serialize_value(self, request: Request, value: datetime) -> datetime:
        return value

    async def parse_form_data(self, request: Request, form_data: FormData) -> None:
        return None


@dataclass
class Reference(Number):
    """The id of a row of another table, `table` by its key; `named_by` names the field that tells what to call it."""

    table: str = ""
    named_by: str | None = None
    is_number: bool = False
    list_template: str = "fields/list/reference.html"
    detail_template: str = "fields/list/reference.html"

    async def parse_obj(self, request: Request, obj: Any) -> Any:
        row_id = getattr(obj, self.name)
        return row_id and {"id": row_id, "name": getattr(obj, self.named_by) if self.named_by else row_id}


@dataclass
class Secret(StringField):
    """A password that is chosen; no page ever holds it."""

    input_type: str = "password"
    form_template: str = "fields/form/secret.html"
    exclude_from_list: bool | None = True
    exclude_from_detail: bool | None = True
    exclude_from_edit: bool | None = True


@dataclass
class Json(BaseField):
    """Whatever a column of JSON holds, for reading."""

    detail_template: str = "fields/detail/json.html"
    exclude_from_list: bool | None = True
    exclude_from_create: bool | None = True
    exclude_from_edit: bool | None = True
