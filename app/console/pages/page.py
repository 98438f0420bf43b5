"""What every page of figures shares: a template, the database, and forms that come back with a sentence."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette_admin import CustomView
from starlette_admin.flash import flash

from app.console.table import database_of
from app.utils.errors import AppError, describe, to_field_error

__all__ = ["Page", "acting", "database_of", "read_query", "reading", "see"]

M = TypeVar("M", bound=BaseModel)


class Page(CustomView):
    """A view with a template of its own, below `templates/pages/`."""

    heading: ClassVar[str]

    def render(self, request: Request, template: str, *, status_code: int = 200, **context: Any) -> Response:
        assert self._admin is not None
        context = {"title": self.heading, "page": self, **context}
        return self._admin._template_response(request, f"pages/{template}", context, status_code)

    def is_active(self, request: Request) -> bool:
        """Of what stands below it too, but for the first page, below which all stand."""
        here, path = request.scope["path"], f"{request.scope['root_path']}{self.path}"
        return here == path or (self.path != "/" and here.startswith(f"{path}/"))

    def url(self, request: Request, path: str = "") -> str:
        """Of a page of the console."""
        return f"{request.scope['root_path']}{self.path}{path}"


@asynccontextmanager
async def reading(request: Request) -> AsyncIterator[AsyncSession]:
    async with database_of(request).reads() as session:
        yield session


@asynccontextmanager
async def acting(request: Request, done: str) -> AsyncIterator[AsyncSession]:
    """A transaction of something that a person asked for: `done` is told when it is, and a refusal in its place."""
    try:
        async with database_of(request).sessions.begin() as session:
            yield session
    except AppError as error:
        flash(request, error.detail, "error")
    except ValidationError as error:
        flash(request, describe([to_field_error(item) for item in error.errors()]), "error")
    else:
        flash(request, done, "success")


def see(url: str) -> Response:
    return RedirectResponse(url, status_code=303)


def read_query(model: type[M], request: Request) -> M:
    """What stands in the address, blanks left out. What is not valid is left out too: an address may be old."""
    given = {
        name: value for name, value in request.query_params.items() if value.strip() and name in model.model_fields
    }
    try:
        return model.model_validate(given)
    except ValidationError as error:
        wrong = {item["loc"][0] for item in error.errors()}
        return model.model_validate({name: value for name, value in given.items() if name not in wrong})
