"""`/auth`: register, log in, who am I."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import ValidationError

from app.auth import service
from app.auth.dependencies import Admin, CurrentAdmin, TokenDep, TokenSettingsDep, get_current_admin
from app.auth.models import AdminUser
from app.auth.schemas import AdminCreate, AdminRead, Credentials, CredentialsForm, Token
from app.config import Settings
from app.database import DatabaseDep, SessionDep
from app.utils.errors import as_request_error, responses

router = APIRouter(prefix="/auth", tags=["auth"])


# Where registration is open it needs no token, elsewhere it does.
_OR_NO_TOKEN: dict[str, Any] = {"security": [{}]}


@router.post(
    "/register",
    response_model=AdminRead,
    status_code=201,
    responses=responses(401, 409, 422),
    openapi_extra=_OR_NO_TOKEN,
)
async def register_admin(
    body: AdminCreate,
    request: Request,
    response: Response,
    session: SessionDep,
    token: TokenDep,
) -> AdminUser:
    """Register an admin. Where registration is closed, the first admin registers freely and later ones need a token."""
    settings: Settings = request.app.state.settings
    if not settings.registration_is_open and not await service.first_registration_is_open(session):
        await get_current_admin(request, token)
    response.headers["Location"] = "/api/v1/auth/me"
    return await service.register_admin(session, body)


async def read_credentials(request: Request) -> Credentials:
    """The OAuth2 form, which the docs page's Authorize button sends, or JSON."""
    try:
        if request.headers.get("content-type", "").startswith("application/json"):
            return Credentials.model_validate_json(await request.body())
        async with request.form() as form:
            return CredentialsForm.model_validate(dict(form))
    except ValidationError as error:
        raise as_request_error(error, "body") from None


_LOGIN_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {"schema": CredentialsForm.model_json_schema()},
            "application/json": {"schema": Credentials.model_json_schema()},
        },
    }
}


@router.post("/login", response_model=Token, responses=responses(401, 422, 429), openapi_extra=_LOGIN_BODY)
async def log_in(
    request: Request,
    credentials: Annotated[Credentials, Depends(read_credentials)],
    tokens: TokenSettingsDep,
    database: DatabaseDep,
) -> Token:
    """Log in by username or e-mail and receive an access token."""
    settings: Settings = request.app.state.settings
    admin_id = await service.log_in(
        database,
        credentials,
        address=request.client.host if request.client else "unknown",
        allowed=settings.login_attempts,
        window=timedelta(seconds=settings.login_window_seconds),
    )
    access_token = service.create_token(tokens, admin_id)
    return Token(access_token=access_token, expires_in=int(tokens.lifetime.total_seconds()))


@router.get("/me", response_model=AdminRead, responses=responses(401))
async def get_me(admin: CurrentAdmin) -> Admin:
    """The logged-in admin."""
    return admin
