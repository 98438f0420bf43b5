"""The OpenAPI document: FastAPI's, with our problem schemas in place of its validation error."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

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
