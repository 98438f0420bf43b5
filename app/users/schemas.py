from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, EmailStr, Field, StringConstraints

from app.predictions.consumers.schemas import PredictedFilters
from app.users.models import PLACEHOLDER_DOMAIN
from app.utils.pagination import PageQuery
from app.utils.schemas import FromMoment, ReadSchema, Schema, ToMoment, UpdateSchema, WebsiteName, lower_case


def hide_placeholder(email: str | None) -> str | None:
    return None if email is None or email.endswith(PLACEHOLDER_DOMAIN) else email


Name = Annotated[str, Field(min_length=1, max_length=100, examples=["Jane Doe"])]
Phone = Annotated[str, Field(max_length=20, examples=["+1 555 0100"])]
# Lower-casing may lengthen a text, so the column's limit comes last.
Email = Annotated[EmailStr, AfterValidator(lower_case), Field(max_length=150, examples=["jane@example.com"])]
UserType = Annotated[str, Field(min_length=1, max_length=50, examples=["consumer"])]

Country = Annotated[str, Field(max_length=100, examples=["Bangladesh"])]
City = Annotated[str, Field(max_length=100, examples=["Dhaka"])]
District = Annotated[str, Field(max_length=100, examples=["Gulshan"])]
StreetAddress = Annotated[str, Field(max_length=10_000, examples=["House 1, Road 2"])]
NotEmpty = Field(min_length=1)


class AddressCreate(Schema):
    country: Annotated[Country, NotEmpty]
    city: Annotated[City, NotEmpty]
    district: District | None = None
    address: Annotated[StreetAddress, NotEmpty]
    is_default: bool = False


class AddressUpdate(UpdateSchema):
    """Takes back the blanks that an imported address may hold."""

    not_null: ClassVar = frozenset({"country", "city", "address", "is_default"})

    country: Country | None = None
    city: City | None = None
    district: District | None = None
    address: StreetAddress | None = None
    is_default: bool | None = None


class AddressRead(ReadSchema):
    id: int
    user_id: int
    country: str
    city: str
    district: str | None
    address: str
    is_default: bool
    created_at: datetime
    updated_at: datetime


class UserCreate(Schema):
    name: Name
    phone: Annotated[Phone, NotEmpty]
    email: Email
    type: UserType = "consumer"
    source_website: WebsiteName
    is_active: bool = True


class UserUpdate(UpdateSchema):
    """Takes back what an imported consumer may hold: a blank phone, no e-mail."""

    not_null: ClassVar = frozenset({"name", "phone", "type", "source_website", "is_active"})

    name: Name | None = None
    phone: Phone | None = None
    email: Annotated[Email | None, Field(description="null only where it is null already")] = None
    type: UserType | None = None
    source_website: WebsiteName | None = None
    is_active: bool | None = None


class UserRead(ReadSchema):
    id: int
    name: str
    phone: str
    email: Annotated[
        str | None, AfterValidator(hide_placeholder), Field(description="null where no website told a usable one")
    ]
    type: str
    source_website: Annotated[str, Field(description="where the consumer was first seen")]
    is_active: bool
    created_at: datetime
    updated_at: datetime


class UserWithAddresses(UserRead):
    addresses: list[AddressRead]


class UserQuery(PredictedFilters, PageQuery):
    """What is predicted is the latest run's: of `source_website`, or of all together, in the currency most used."""

    sort: Literal[
        "id", "-id", "name", "-name", "email", "-email", "created_at", "-created_at", "updated_at", "-updated_at"
    ] = "-id"  # fmt: skip
    q: Annotated[str | None, Field(max_length=200, description="how words of name, e-mail or phone begin")] = None
    source_website: Annotated[WebsiteName | None, Field(description="known there, wherever first seen")] = None
    type: Annotated[str | None, Field(max_length=50)] = None
    is_active: Literal["true", "false", "any"] = "true"
    email: Annotated[str, StringConstraints(to_lower=True, max_length=150)] | None = None
    phone: Annotated[str | None, Field(max_length=20)] = None
    country: Annotated[str | None, Field(max_length=100, description="of any address")] = None
    city: Annotated[str | None, Field(max_length=100, description="of any address, the one in country")] = None
    created_from: FromMoment | None = None
    created_to: ToMoment | None = None
    updated_since: FromMoment | None = None
