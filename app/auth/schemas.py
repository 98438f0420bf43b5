from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, EmailStr, Field, SecretStr
from pydantic.config import JsonDict

from app.utils.schemas import ReadSchema, Schema, lower_case

MIN_PASSWORD_CHARACTERS = 8
MAX_PASSWORD_BYTES = 72  # bcrypt reads no further
_LENGTH: JsonDict = {"minLength": MIN_PASSWORD_CHARACTERS, "maxLength": MAX_PASSWORD_BYTES}


def check_password(password: SecretStr) -> SecretStr:
    text = password.get_secret_value()
    if len(text) < MIN_PASSWORD_CHARACTERS:
        raise ValueError(f"must have at least {MIN_PASSWORD_CHARACTERS} characters")
    if len(text.encode()) > MAX_PASSWORD_BYTES:
        raise ValueError(f"must have at most {MAX_PASSWORD_BYTES} bytes in UTF-8")
    if "\x00" in text:
        raise ValueError("cannot hold a NUL character")
    return password


Password = Annotated[
    SecretStr, AfterValidator(check_password), Field(examples=["correct horse battery"], json_schema_extra=_LENGTH)
]


class AdminCreate(Schema):
    model_config = ConfigDict(str_strip_whitespace=False)

    username: Annotated[
        str,
        Field(
            min_length=1,
            max_length=100,
            pattern=r"^[^\s@]+$",
            examples=["ada"],
            description="no spaces, no @",
        ),
    ]
    # Lower-casing may lengthen a text, so the column's limit comes last.
    email: Annotated[EmailStr, AfterValidator(lower_case), Field(max_length=150, examples=["ada@example.com"])]
    password: Password


class NewPassword(Schema):
    password: Password


class Credentials(Schema):
    """The OAuth2 password form, or the same as JSON. `username` may also be the e-mail address."""

    model_config = ConfigDict(str_strip_whitespace=False)

    username: Annotated[str, Field(min_length=1, max_length=150, examples=["ada"])]
    password: Annotated[SecretStr, Field(max_length=1024, examples=["correct horse battery"])]


class CredentialsForm(Credentials):
    """What an OAuth2 client may send besides (RFC 6749, section 4.3.2); it changes nothing."""

    grant_type: Literal["password", ""] | None = None
    scope: str = ""
    client_id: str | None = None
    client_secret: SecretStr | None = None


class Token(ReadSchema):
    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 — the name of a scheme, not a secret
    expires_in: int = Field(examples=[3600], description="seconds")


class AdminRead(ReadSchema):
    id: int
    username: str
    email: str
    is_active: bool
    created_at: datetime
