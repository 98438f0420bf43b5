"""From a form to a body of the API, and from a refusal back to the form."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from pydantic import ValidationError
from starlette_admin.exceptions import FormValidationError

from app.utils.errors import AppError, to_field_error
from app.utils.schemas import Schema, UpdateSchema

S = TypeVar("S", bound=Schema)
U = TypeVar("U", bound=UpdateSchema)

WHOLE_FORM = "form"
"""What a refusal is listed under that no field is at fault for."""


def read_new(schema: type[S], data: Mapping[str, Any]) -> S:
    """A body for a new row; boxes left blank take the schema's default."""
    return schema.model_validate({name: value for name, value in data.items() if value not in {"", None}})


def read_changes(schema: type[U], data: Mapping[str, Any], row: Any) -> U:
    """A body that holds only what differs from the row, so that what nobody touched stays as its website told it."""
    given = {
        name: None if value in {"", None} and name not in schema.not_null else value
        for name, value in data.items()
        if name in schema.model_fields
    }
    body = schema.model_validate(given)
    changed = {name for name, value in body.changes().items() if value != getattr(row, name)}
    return schema.model_validate({name: value for name, value in given.items() if name in changed})


@contextmanager
def refusals_in_form() -> Iterator[None]:
    """Shows why a service or a schema refused, at the field where one is at fault."""
    try:
        yield
    except ValidationError as error:
        described = [to_field_error(item) for item in error.errors()]
        raise FormValidationError({each.location: each.message for each in described}) from None
    except AppError as error:
        at_fault: dict[str | int, Any] = {each.field: each.message for each in error.errors or ()}
        raise FormValidationError(at_fault or {WHOLE_FORM: error.detail}) from None
