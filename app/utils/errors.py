"""Errors that services raise, and the one place that turns them into `application/problem+json` (RFC 9457)."""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, ValidationError
from pydantic_core import ErrorDetails
from sqlalchemy.exc import IntegrityError, OperationalError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.utils.request_id import request_id

PROBLEM_JSON = "application/problem+json"
logger = logging.getLogger(__name__)


class FieldError(BaseModel):
    field: str = Field(examples=["details.0.quantity"])
    location: str = Field(examples=["body"], description="body, query, path or header")
    message: str = Field(examples=["Input should be greater than or equal to 1"])


class Problem(BaseModel):
    type: str = "about:blank"
    title: str = Field(examples=["Conflict"])
    status: int = Field(examples=[409])
    detail: str = Field(examples=["A product with the SKU MUG-1 exists on sailor already."])
    instance: str = Field(examples=["/api/v1/products"])
    request_id: str | None = None


class ValidationProblem(Problem):
    errors: list[FieldError]


class AppError(Exception):
    """An answer that is not a success, with a sentence a person can act on."""

    status: ClassVar[HTTPStatus]
    errors: list[FieldError] | None = None
    """The fields at fault, which every 422 names."""

    def __init__(self, detail: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = dict(headers or {})


class Unauthorized(AppError):
    status = HTTPStatus.UNAUTHORIZED

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": "Bearer"})


class NotFound(AppError):
    status = HTTPStatus.NOT_FOUND


class Conflict(AppError):
    status = HTTPStatus.CONFLICT


class TooLarge(AppError):
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class TooManyRequests(AppError):
    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


class ServiceUnavailable(AppError):
    status = HTTPStatus.SERVICE_UNAVAILABLE


class Unprocessable(AppError):
    """A well-formed request that asks for something impossible; `field` names the culprit as a 422 would."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY

    def __init__(self, detail: str, *, field: str, location: str = "body") -> None:
        super().__init__(detail)
        self.errors = [FieldError(field=field, location=location, message=detail)]


def violates(error: IntegrityError, constraint: str) -> bool:
    """Whether `error` comes from the constraint or unique index of that name."""
    diagnostics = getattr(error.orig, "diag", None)
    return getattr(diagnostics, "constraint_name", None) == constraint


def problem_response(
    request: Request,
    status: int,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    errors: Sequence[FieldError] | None = None,
) -> JSONResponse:
    problem: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": request.url.path,
        "request_id": request_id.get(),
    }
    if errors is not None:
        problem["errors"] = [error.model_dump() for error in errors]
    return JSONResponse(problem, status, headers=dict(headers or {}), media_type=PROBLEM_JSON)


def to_field_error(error: ErrorDetails) -> FieldError:
    """Without the offending input: a password would come back in the answer and in logs."""
    location, *path = error["loc"] or ("body",)
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "json_invalid":
        path = []
    elif error["type"] == "extra_forbidden":
        message = "is not known here"
    return FieldError(field=".".join(map(str, path)), location=str(location), message=message)


def describe(errors: Sequence[FieldError]) -> str:
    named = [f"{error.field}: {error.message}" if error.field else error.message for error in errors]
    return "; ".join(named)


CLIENT_CLOSED_REQUEST = 499


def install_error_handlers(app: FastAPI) -> None:
    @app.exception_handler(AppError)
    async def handle_app_error(request: Request, error: AppError) -> JSONResponse:
        return problem_response(request, error.status, error.detail, headers=error.headers, errors=error.errors)

    @app.exception_handler(OperationalError)
    async def handle_database_gone(request: Request, error: OperationalError) -> JSONResponse:
        logger.error("The database did not answer: %s", type(error.orig).__name__)
        return problem_response(request, 503, "The database does not answer; try again.", headers={"Retry-After": "5"})

    @app.exception_handler(RequestValidationError)
    async def handle_validation_error(request: Request, error: RequestValidationError) -> JSONResponse:
        errors = [to_field_error(details) for details in error.errors()]
        return problem_response(request, 422, describe(errors), errors=errors)

    @app.exception_handler(HTTPException)
    async def handle_http_exception(request: Request, error: HTTPException) -> JSONResponse:
        # FastAPI answers 400 to JSON that is not UTF-8 or nested too deeply; to the client that is invalid JSON too.
        if isinstance(error.__cause__, UnicodeDecodeError | RecursionError):
            unreadable = FieldError(field="", location="body", message="JSON decode error")
            return problem_response(request, 422, describe([unreadable]), errors=[unreadable])
        return problem_response(request, error.status_code, str(error.detail), headers=error.headers)

    @app.exception_handler(ClientDisconnect)
    async def handle_client_gone(request: Request, error: ClientDisconnect) -> Response:
        # Nobody reads it; the status is what logs of other servers have for it.
        return Response(status_code=CLIENT_CLOSED_REQUEST)

    @app.exception_handler(Exception)
    async def handle_unexpected(request: Request, error: Exception) -> JSONResponse:
        # Starlette raises the exception again after this answer; RequestIdMiddleware logs it with its traceback.
        return problem_response(request, 500, "Something went wrong here; the log tells more under the request id.")


class TooLargeMiddleware:
    """Starlette enforces `max_body_size` outside of all exception handlers and answers 413 in plain text."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        replaced = False

        async def send_problem(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start" and message["status"] == 413:
                replaced = not Headers(raw=message["headers"]).get("content-type", "").startswith(PROBLEM_JSON)
                if replaced:
                    sentence = "The body is larger than this endpoint takes (for an import, MAX_UPLOAD_MB)."
                    problem = problem_response(Request(scope), 413, sentence)
                    await problem(scope, receive, send)
            if not replaced:
                await send(message)

        await self.app(scope, receive, send_problem if scope["type"] == "http" else send)


def as_request_error(error: ValidationError, location: str) -> RequestValidationError:
    """For what an endpoint validates itself: the 422 that FastAPI makes of what it validates."""
    return RequestValidationError([{**details, "loc": (location, *details["loc"])} for details in error.errors()])


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problem responses an endpoint declares in the OpenAPI document."""
    declared: dict[int | str, dict[str, Any]] = {}
    for status in statuses:
        model = ValidationProblem if status == 422 else Problem
        declared[status] = {
            "description": HTTPStatus(status).phrase,
            "content": {PROBLEM_JSON: {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}},
        }
    return declared
