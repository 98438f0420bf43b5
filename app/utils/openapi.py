"""The OpenAPI document, with our problem schemas in place of FastAPI's validation error, and its page `/docs`."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles

from app.utils.errors import FieldError, Problem, ValidationProblem

_REF = "#/components/schemas/{model}"


def install_openapi(app: FastAPI) -> None:
    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            schemas = schema["components"]["schemas"]
            for replaced in ("HTTPValidationError", "ValidationError"):
                schemas.pop(replaced, None)
            for model in (FieldError, Problem, ValidationProblem):
                definition = model.model_json_schema(ref_template=_REF)
                definition.pop("$defs", None)
                schemas[model.__name__] = definition
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's documented way to change the document


def install_docs(app: FastAPI) -> None:
    """Swagger UI at `/docs`, from files that come in a wheel: FastAPI's own page fetches them from a CDN."""
    app.mount("/docs/assets", StaticFiles(packages=[("fastapi_swagger", "resources")]), name="docs_assets")

    @app.get("/docs", include_in_schema=False)
    async def show_docs(request: Request) -> HTMLResponse:
        root = request.scope.get("root_path", "")
        assets = f"{root}/docs/assets"
        return get_swagger_ui_html(
            openapi_url=f"{root}{app.openapi_url}",
            title=app.title,
            swagger_js_url=f"{assets}/swagger-ui-bundle.js",
            swagger_css_url=f"{assets}/swagger-ui.css",
            swagger_favicon_url=f"{assets}/favicon-32x32.png",
            swagger_ui_parameters={"persistAuthorization": True, "displayRequestDuration": True, "filter": True},
        )

    @app.get("/", include_in_schema=False)
    async def go_to_docs(request: Request) -> RedirectResponse:
        return RedirectResponse(f"{request.scope.get('root_path', '')}/docs")
