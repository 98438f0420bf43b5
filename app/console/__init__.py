"""The web console at `/console`: the tables of the API, for people, by the same services and the same admins."""

import logging

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette_admin import DropDown

from app.auth.service import TokenSettings
from app.console.console import Console
from app.console.pages import PAGES, OverviewPage
from app.console.views import TABLES


def mount_console(app: FastAPI, *, secret_key: str, tokens: TokenSettings) -> None:
    # It would log what people typed, and tell of every form that was not filled in right.
    logging.getLogger("starlette_admin").setLevel(logging.ERROR)
    views = [*(page() for page in PAGES), DropDown("Tables", list(TABLES))]
    console = Console(OverviewPage(), views, secret_key=secret_key, tokens=tokens)
    console.mount_to(app)

    @app.get(console.base_url, include_in_schema=False)
    async def go_to_console(request: Request) -> RedirectResponse:
        return RedirectResponse(f"{request.scope.get('root_path', '')}{console.base_url}/")
