"""The FastAPI application. `create_app` builds one; a server calls it through `app.main:create_app --factory`."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from app import __version__
from app.auth.dependencies import AdminCache
from app.auth.router import router as auth_router
from app.auth.service import TokenSettings
from app.config import ConfigurationError, Settings, get_settings, resolve_data_dir, resolve_secret_key
from app.console import mount_console
from app.database import Database
from app.ingest.router import router as imports_router
from app.orders.router import router as orders_router
from app.predictions.baskets.router import router as baskets_router
from app.predictions.consumers.router import router as consumers_router
from app.predictions.router import router as predictions_router
from app.privacy.router import router as privacy_router
from app.products.router import router as products_router
from app.runtime.health import router as health_router
from app.runtime.jobs import running_worker
from app.runtime.logs import RequestIdMiddleware, configure_logging
from app.runtime.migrations import head_revision
from app.sync.intake import Intake
from app.sync.keys import Receivers
from app.sync.router import router as sync_router
from app.sync.router import webhook_router
from app.sync.setup import make_sync_context
from app.users.router import router as users_router
from app.utils.errors import TooLargeMiddleware, install_error_handlers
from app.utils.openapi import install_docs, install_openapi
from app.websites.router import router as websites_router
from app.websites.vault import make_vault

API_PREFIX = "/api/v1"
MAX_JSON_BYTES = 4 * 1024 * 1024

DESCRIPTION = """
Consumers, products and orders of many e-commerce websites in one place.

Register an admin, press **Authorize**, and try the endpoints from here. Lists take `page` or `cursor`, errors are
`application/problem+json`, money is a string with two decimals, and every timestamp is UTC.
"""


class TrailingSlashMiddleware:
    """`/api/v1/users/` is `/api/v1/users`: both answer, neither redirects."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(f"{API_PREFIX}/") and scope["path"].endswith("/"):
            scope = {**scope, "path": scope["path"][:-1]}
        await self.app(scope, receive, send)


class Application(FastAPI):
    """FastAPI with two layers around everything, its own error and size handling included."""

    def build_middleware_stack(self) -> ASGIApp:
        return RequestIdMiddleware(TooLargeMiddleware(super().build_middleware_stack()))


def create_app(settings: Settings | None = None, database: Database | None = None) -> FastAPI:
    settings = settings or get_settings()
    if database is None:
        if settings.database_url is None:
            raise ConfigurationError("No DATABASE_URL is set. `ecompredictor serve` starts the embedded server itself.")
        database = Database(settings.database_url.get_secret_value(), pool_size=settings.database_pool_size)
    configure_logging(settings.environment)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as running:
            running.push_async_callback(database.dispose)
            if settings.run_jobs:
                await running.enter_async_context(
                    running_worker(database, concurrency=settings.job_concurrency, sync=app.state.sync)
                )
            yield

    app = Application(
        title="ecomPredictor",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
        max_body_size=MAX_JSON_BYTES,
        docs_url=None,  # install_docs serves it
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        generate_unique_id_function=name_operation,
    )
    data_dir, _ = resolve_data_dir(settings)
    app.state.settings = settings
    app.state.database = database
    app.state.admin_cache = AdminCache()
    app.state.head_revision = head_revision()
    secret_key = resolve_secret_key(settings, data_dir)
    app.state.vault = database.info["vault"] = make_vault(settings, secret_key)
    app.state.sync = make_sync_context(settings, database, app.state.vault)
    app.state.receivers = Receivers(database, app.state.vault)
    app.state.intake = Intake(database)
    app.state.token_settings = TokenSettings(
        secret_key=secret_key,
        algorithm=settings.algorithm,
        lifetime=timedelta(minutes=settings.access_token_expire_minutes),
    )

    # Each by itself: a router within a router has its routes matched once more for every level. Those that are asked
    # the most come first: a request is matched against every route before its own.
    app.include_router(webhook_router, prefix=API_PREFIX, max_body_size=settings.max_record_bytes)
    for router in (orders_router, consumers_router, products_router, users_router, predictions_router, auth_router):
        app.include_router(router, prefix=API_PREFIX)
    app.include_router(imports_router, prefix=API_PREFIX, max_body_size=settings.max_upload_bytes)
    for router in (websites_router, sync_router, privacy_router, baskets_router):
        app.include_router(router, prefix=API_PREFIX)
    app.include_router(health_router)
    install_error_handlers(app)
    install_openapi(app)
    install_docs(app)
    mount_console(app, secret_key=secret_key, tokens=app.state.token_settings)

    app.add_middleware(TrailingSlashMiddleware)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["*"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "X-Request-ID"],
            expose_headers=["Location", "X-Request-ID", "Idempotency-Replayed", "Retry-After"],
        )
    return app


def name_operation(route: APIRoute) -> str:
    """`list_products`; the second of two methods on one function is `patch_product` beside `update_product`."""
    if route.methods == {"PATCH"}:
        return route.name.replace("update_", "patch_", 1)
    return route.name
