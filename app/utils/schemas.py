"""What every wire shape shares: trimmed text without NUL, money as decimal strings, partial updates."""

import re
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Annotated, Any, ClassVar

from fastapi import Path
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

MAX_ID = 2**63 - 1
CENT = Decimal("0.01")
MAX_PRICE = Decimal("99999999.99")  # NUMERIC(10, 2)
MAX_TOTAL = Decimal("9999999999.99")  # NUMERIC(12, 2)
MONEY_PATTERN = r"^-?\d+\.\d{2}$"


class ReadSchema(BaseModel):
    """What an answer holds. It comes from our own tables, and passes without being checked again field by field."""

    model_config = ConfigDict(from_attributes=True)


class Schema(BaseModel):
    """What a request holds: unknown fields are refused, text is trimmed and free of NUL."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    @field_validator("*", mode="before")
    @classmethod
    def _reject_nul(cls, value: Any) -> Any:
        # PostgreSQL's text cannot hold U+0000, and scraped data carries it.
        if isinstance(value, str) and "\x00" in value:
            raise ValueError("cannot hold a NUL character")
        return value


class UpdateSchema(Schema):
    """A partial body: what is absent stays as it is. `not_null` names the fields that may not be cleared."""

    not_null: ClassVar[frozenset[str]] = frozenset()

    @field_validator("*", mode="before")
    @classmethod
    def _reject_null(cls, value: Any, info: ValidationInfo) -> Any:
        if value is None and info.field_name in cls.not_null:
            raise ValueError("cannot be null")
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """None stands for "absent" here; the document must not offer null where it is refused."""
        schema = handler.resolve_ref_schema(handler(core_schema))
        for name in cls.not_null:
            declared = schema["properties"][name]
            declared.pop("default", None)
            kinds = [kind for kind in declared.pop("anyOf", []) if kind.get("type") != "null"]
            declared.update(kinds[0] if len(kinds) == 1 else {"anyOf": kinds} if kinds else {})
        return schema

    def changes(self) -> dict[str, Any]:
        return self.model_dump(exclude_unset=True)


def _two_decimals(value: Decimal) -> str:
    return f"{value + 0:.2f}"  # + 0: there is no negative zero in money


def _plain_number(value: Decimal) -> Decimal:
    if not value.is_finite():
        raise ValueError("must be a finite number")
    return value


_money = (PlainSerializer(_two_decimals, return_type=str, when_used="json"), AfterValidator(_plain_number))
_price_limits = Field(ge=0, max_digits=10, decimal_places=2, examples=["19.90"])
_total_limits = Field(ge=0, max_digits=12, decimal_places=2, examples=["59.70"])
_signed_limits = Field(max_digits=12, decimal_places=2, examples=["-5.00"])

Price = Annotated[Decimal, _price_limits, *_money]
"""Of one piece: NUMERIC(10, 2), not negative."""
Total = Annotated[Decimal, _total_limits, *_money]
"""NUMERIC(12, 2), not negative."""
SignedTotal = Annotated[Decimal, _signed_limits, *_money]
"""NUMERIC(12, 2) of either sign, such as fees and tips."""
Money = Annotated[
    Decimal,
    PlainSerializer(_two_decimals, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": MONEY_PATTERN, "examples": ["59.70"]}, mode="serialization"),
]
"""An amount in an answer: a string with two decimals."""

PathId = Annotated[int, Path(ge=1, le=MAX_ID)]
Id = Annotated[int, Field(ge=1, le=MAX_ID)]

WEBSITE_PATTERN = r"^[a-z0-9][a-z0-9 ._-]{0,99}$"
WebsiteName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, to_lower=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}$"),
    Field(examples=["sailor"], description="the source website, trimmed and lower-cased"),
]
CurrencyCode = Annotated[
    str,
    StringConstraints(strip_whitespace=True, to_upper=True, pattern=r"^[A-Za-z]{3}$"),
    Field(examples=["USD"], description="ISO 4217"),
]

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_SPACE_FOR_PLUS = re.compile(r" (\d{2}:?\d{2})$")


def _to_utc(moment: datetime) -> datetime:
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is outside the years 1 to 9999") from None


_NUMBER = re.compile(r"\s*[+-]?[\d.]+(e[+-]?\d+)?\s*", re.IGNORECASE)


def _refuse_numbers(value: Any) -> Any:
    """Pydantic would read a number, or its digits, as seconds since 1970: 20260903 as a day of that year."""
    if isinstance(value, int | float) or (isinstance(value, str) and _NUMBER.fullmatch(value)):
        raise ValueError("must be ISO 8601, such as 2026-09-03 or 2026-09-03T10:15:00Z")
    return value


def _parse_from(value: Any) -> Any:
    _refuse_numbers(value)
    if isinstance(value, str):
        value = value.strip()
        if _DATE.fullmatch(value):
            return datetime.combine(date.fromisoformat(value), time.min, UTC)
        if "T" in value:  # a `+` that a client did not encode arrives as a space
            return _SPACE_FOR_PLUS.sub(r"+\1", value)
    return value


def _parse_to(value: Any) -> Any:
    if isinstance(value, str) and _DATE.fullmatch(value.strip()):
        return datetime.combine(date.fromisoformat(value.strip()), time.max, UTC)
    return _parse_from(value)


Day = Annotated[date, BeforeValidator(_refuse_numbers)]
Moment = Annotated[datetime, BeforeValidator(_refuse_numbers), AfterValidator(_to_utc)]
"""A moment in a body; without an offset it is UTC."""
_filter_schema = WithJsonSchema(
    {
        "anyOf": [{"type": "string", "format": "date-time"}, {"type": "string", "format": "date"}],
        "description": "ISO 8601; without an offset UTC, a date alone means that UTC day",
    }
)
FromMoment = Annotated[datetime, BeforeValidator(_parse_from), AfterValidator(_to_utc), _filter_schema]
"""A filter's lower bound: a date alone is that UTC day's first instant."""
ToMoment = Annotated[datetime, BeforeValidator(_parse_to), AfterValidator(_to_utc), _filter_schema]
"""A filter's upper bound: a date alone is that UTC day's last microsecond, PostgreSQL's resolution."""


def lower_case(text: str) -> str:
    return text.lower()
