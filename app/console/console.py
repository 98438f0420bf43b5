"""The library's admin site, cut to what the console uses: its pages, and errors as a sentence on a page."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy.exc import OperationalError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette_admin import CustomView
from starlette_admin.base import BaseAdmin
from starlette_admin.views import BaseView

from app.auth.service import TokenSettings
from app.console.listing import list_link
from app.console.security import FormsOfThisOrigin, HeadersMiddleware, protect
from app.console.signin import SignIn, derive_key
from app.console.table import TableView
from app.console.values import FILTERS
from app.utils.errors import AppError, describe
from app.utils.request_id import request_id

FOLDER = Path(__file__).parent
TITLE = "ecomPredictor"


class Console(BaseAdmin):
    """Of the library's routes only the pages of tables are kept: the others would change rows past our services."""

    def __init__(self, start: CustomView, views: Sequence[BaseView], *, secret_key: str, tokens: TokenSettings) -> None:
        super().__init__(
            title=TITLE,
            base_url="/console",
            route_name="console",
            templates_dir=str(FOLDER / "templates"),
            static_dir=str(FOLDER / "static"),
            index_view=start,
            auth_provider=SignIn(secret_key, tokens),
            secret_key=derive_key(secret_key, "cookies"),
            middlewares=[Middleware(HeadersMiddleware)],
            timezone_config=None,
        )
        self.templates.env.filters.update(FILTERS)
        self.templates.env.globals.update(record_url=record_url, table_url=table_url, list_link=list_link)
        for view in views:
            self.add_view(view)

    def _init_csrf(self) -> None:
        assert self.secret_key is not None
        self.middlewares.append(Middleware(FormsOfThisOrigin, secret_key=self.secret_key))

    def _collect_core_routes(self) -> list[Route]:
        return [
            Route("/{key}/list", self._render_list, name="list"),
            Route("/{key}/export.csv", self._export, name="export"),
            Route("/{key}/create", self._render_create, methods=["GET", "POST"], name="create"),
            Route("/{key}/edit", self._render_edit, methods=["GET", "POST"], name="edit"),
            Route("/{key}/detail/{pk}/action/{name}", self._act, methods=["POST"], name="act"),
            Route("/{key}/detail/{pk}", self._render_detail, name="record"),
            Route("/{key}/detail", self._render_detail, name="detail"),
        ]

    def mount_to(self, app: Starlette) -> None:
        super().mount_to(app)
        app.state.ROUTE_NAME = self.app.state.ROUTE_NAME
        self.app.state = app.state  # the database, the settings: what requests of the API find there too
        for kind in (HTTPException, AppError, OperationalError, Exception):
            self.app.add_exception_handler(kind, self._render_error)

    def _find_table(self, request: Request) -> TableView:
        view = self._find_view_by_key(request.path_params["key"])
        assert isinstance(view, TableView)
        return view

    async def _render_list(self, request: Request) -> Response:
        return await self._find_table(request).show_list(request)

    async def _export(self, request: Request) -> Response:
        return await self._find_table(request).export(request)

    async def _render_detail(self, request: Request) -> Response:
        pk = request.path_params.get("pk") or request.query_params.get("pk", "")
        return await self._find_table(request).show_record(request, pk)

    async def _act(self, request: Request) -> Response:
        return await self._find_table(request).act(request, request.path_params["pk"], request.path_params["name"])

    async def _render_error(self, request: Request, exc: Exception = HTTPException(500)) -> Response:  # noqa: B008
        """A sentence on a page. An unexpected error's text stays in the log, which the application writes."""
        status, sentence = _describe_error(exc)
        context = {"title": "Error", "status": status, "sentence": sentence, "request_id": request_id.get()}
        response = self.templates.TemplateResponse(request, "error.html", context, status_code=status)
        # The answer to an unexpected error passes no middleware.
        protect(response.headers, request.state.csp_nonce)
        return response


def _describe_error(error: Exception) -> tuple[int, str]:
    match error:
        case AppError():
            return error.status, describe(error.errors) if error.errors else error.detail
        case HTTPException(status_code=404):
            return 404, "There is no such page."
        case HTTPException():
            return error.status_code, error.detail
        case OperationalError():
            return 503, "The database does not answer; try again."
    return 500, "Something went wrong here; the log tells more under the request id."


def table_url(request: Request, key: str, page: str = "list") -> str:
    """Of a table: its list, or its form for a new row ("create")."""
    return f"{request.scope['root_path']}/{key}/{page}"


def record_url(request: Request, key: str, pk: Any) -> str:
    return f"{request.scope['root_path']}/{key}/detail/{pk}"
