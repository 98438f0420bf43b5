"""Signing in to the console, with the API's admins and its throttling.

A session is a signed cookie, like the API's tokens: it ends when it was not used for as long as a token lives, half a
day after the sign-in, and at once when its admin signs out, is deactivated or gets another password. The server keeps
only which sessions were signed out of, so that a copy of the cookie is of no use afterwards.
"""

import hmac
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import cast
from urllib.parse import urlencode
from uuid import UUID, uuid4

import jwt
from pydantic import SecretStr, ValidationError
from sqlalchemy import delete, exists, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.templating import Jinja2Templates
from starlette.types import ASGIApp
from starlette_admin.auth import AdminUser as ConsoleUser
from starlette_admin.auth import BaseAuthProvider
from starlette_admin.helpers import safe_redirect_url

from app.auth.models import AdminUser, EndedSession
from app.auth.schemas import Credentials
from app.auth.service import TokenSettings, log_in
from app.config import Settings
from app.database import Database
from app.utils.clock import utc_now
from app.utils.errors import AppError, describe, to_field_error

COOKIE = "ecompredictor_console"
LONGEST = timedelta(hours=12)
ALGORITHM = "HS256"
_CLAIMS = ["jti", "sub", "mark", "auth_time", "exp"]
_MARK = b"marks a password in a session"


def derive_key(secret_key: str, purpose: str) -> str:
    """So that neither a token of the API is a session, nor one of the console's cookies another."""
    return hmac.digest(secret_key.encode(), f"console: {purpose}".encode(), "sha256").hex()


@dataclass(frozen=True)
class Session:
    """`mark` tells of which password it is."""

    id: UUID
    admin_id: int
    mark: str
    signed_in_at: datetime
    expires_at: datetime


@dataclass
class Signed(ConsoleUser):
    """Who is signed in, as `request.state.admin_user`."""

    id: int = 0


class Sessions:
    """Reads and writes the cookie."""

    def __init__(self, secret_key: str, unused_for: timedelta) -> None:
        self._key = derive_key(secret_key, "session")
        self._unused_for = min(unused_for, LONGEST)

    def mark(self, hashed_password: str) -> str:
        return hmac.digest(self._key.encode(), _MARK + hashed_password.encode(), "sha256").hex()[:16]

    def begin(self, admin: AdminUser) -> Session:
        now = utc_now()
        return Session(uuid4(), admin.id, self.mark(admin.hashed_password), now, now + self._unused_for)

    def renew(self, session: Session) -> Session | None:
        """The session for longer, once half of its time is over."""
        now = utc_now()
        until = min(now + self._unused_for, session.signed_in_at + LONGEST)
        if session.expires_at - now > self._unused_for / 2 or until <= session.expires_at:
            return None
        return replace(session, expires_at=until)

    def write(self, session: Session) -> str:
        payload = {
            "jti": str(session.id),
            "sub": str(session.admin_id),
            "mark": session.mark,
            "auth_time": int(session.signed_in_at.timestamp()),
            "exp": session.expires_at,
        }
        return jwt.encode(payload, self._key, algorithm=ALGORITHM)

    def read(self, cookie: str | None) -> Session | None:
        if not cookie:
            return None
        try:
            payload = jwt.decode(cookie, self._key, algorithms=[ALGORITHM], options={"require": _CLAIMS})
        except jwt.InvalidTokenError:
            return None
        signed_in_at, expires_at = (datetime.fromtimestamp(payload[name], UTC) for name in ("auth_time", "exp"))
        return Session(UUID(payload["jti"]), int(payload["sub"]), payload["mark"], signed_in_at, expires_at)


async def _find_admin(session: AsyncSession, signed_in: Session) -> AdminUser | None:
    """Looked up at every request, unlike for the API, where a page costs more than that anyway."""
    is_ended = exists().where(EndedSession.id == signed_in.id)
    active = select(AdminUser).where(AdminUser.id == signed_in.admin_id, AdminUser.is_active, ~is_ended)
    return (await session.scalars(active)).one_or_none()


async def _end(session: AsyncSession, ended: Session) -> None:
    """Keeps it until its cookie is worth nothing, however often it was renewed; what is worth nothing by now goes."""
    until = ended.signed_in_at + LONGEST
    await session.execute(delete(EndedSession).where(EndedSession.expires_at < utc_now()))
    await session.execute(insert(EndedSession).values(id=ended.id, expires_at=until).on_conflict_do_nothing())


class SignIn(BaseAuthProvider):
    """The console's pages behind the sign-in form."""

    def __init__(self, secret_key: str, tokens: TokenSettings) -> None:
        super().__init__()
        self.sessions = Sessions(secret_key, tokens.lifetime)

    async def authenticate(self, request: Request) -> Signed | None:
        session = self.sessions.read(request.cookies.get(COOKIE))
        if session is None:
            return None
        database: Database = request.app.state.database
        async with database.reads() as reading:
            admin = await _find_admin(reading, session)
        if admin is None or not hmac.compare_digest(self.sessions.mark(admin.hashed_password), session.mark):
            return None
        request.state.renewed = self.sessions.renew(session)
        return Signed(username=admin.username, id=admin.id)

    def get_middleware(self) -> Middleware:
        return Middleware(SignedInOnly, provider=self)

    def get_routes(self, templates: Jinja2Templates) -> list[Route]:
        async def show(request: Request) -> Response:
            if request.method == "POST":
                return await self._sign_in(request, templates)
            if request.state.admin_user is not None:
                return RedirectResponse(_find_next(request), status_code=303)
            return templates.TemplateResponse(request, "login.html")

        return [
            Route(self.login_path, show, methods=["GET", "POST"], name="login"),
            Route(self.logout_path, self._sign_out, methods=["POST"], name="logout"),
        ]

    async def _sign_in(self, request: Request, templates: Jinja2Templates) -> Response:
        form = await request.form()
        username = str(form.get("username", ""))
        settings: Settings = request.app.state.settings
        database: Database = request.app.state.database

        def refuse(sentence: str, status: int, headers: dict[str, str] | None = None) -> Response:
            context = {"error": sentence, "username": username}
            return templates.TemplateResponse(request, "login.html", context, status_code=status, headers=headers)

        try:
            credentials = Credentials(username=username, password=SecretStr(str(form.get("password", ""))))
            admin_id = await log_in(
                database,
                credentials,
                address=request.client.host if request.client else "unknown",
                allowed=settings.login_attempts,
                window=timedelta(seconds=settings.login_window_seconds),
            )
        except ValidationError as error:
            return refuse(describe([to_field_error(item) for item in error.errors()]), 422)
        except AppError as error:
            # Without WWW-Authenticate: a browser would ask in a window of its own.
            headers = {name: value for name, value in error.headers.items() if name == "Retry-After"}
            return refuse(error.detail, error.status, headers)
        async with database.reads() as reading:
            admin = await reading.get(AdminUser, admin_id)
        if admin is None:
            return refuse("The username or the password is wrong.", 401)
        response = RedirectResponse(_find_next(request), status_code=303)
        self.keep(request, response, self.sessions.begin(admin))
        return response

    async def _sign_out(self, request: Request) -> Response:
        session = self.sessions.read(request.cookies.get(COOKIE))
        if session is not None:
            database: Database = request.app.state.database
            async with database.sessions.begin() as writing:
                await _end(writing, session)
        response = RedirectResponse(f"{request.scope['root_path']}{self.login_path}", status_code=303)
        response.delete_cookie(COOKIE, path=_cookie_path(request))
        return response

    def keep(self, request: Request, response: Response, session: Session) -> None:
        response.set_cookie(
            COOKIE,
            self.sessions.write(session),
            expires=session.expires_at,
            path=_cookie_path(request),
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )


def _cookie_path(request: Request) -> str:
    return str(request.scope["root_path"]) or "/"


def _find_next(request: Request) -> str:
    """Where to after the sign-in: never to another website."""
    start = f"{request.scope['root_path']}/"
    return safe_redirect_url(request.query_params.get("next") or start, request, start)


class SignedInOnly(BaseHTTPMiddleware):
    """Sends everybody else to the form, and lengthens the sessions of those who are at work."""

    def __init__(self, app: ASGIApp, provider: SignIn) -> None:
        super().__init__(app)
        self.provider = provider

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        path = request.scope["path"].removeprefix(request.scope["root_path"])
        if path.startswith("/static/"):
            return await call_next(request)
        request.state.renewed = None
        admin = await self.provider.authenticate(request)
        request.state.admin_user, request.state.is_anonymous = admin, admin is None
        if admin is None and path != self.provider.login_path:
            return RedirectResponse(self._ask(request), status_code=303)
        response = await call_next(request)
        renewed = cast("Session | None", request.state.renewed)
        if renewed is not None and path not in {self.provider.login_path, self.provider.logout_path}:
            self.provider.keep(request, response, renewed)
        return response

    def _ask(self, request: Request) -> str:
        """The form's address. What was sent cannot be sent again after it, so that a POST comes back to the start."""
        address = f"{request.scope['root_path']}{self.provider.login_path}"
        if request.method != "GET":
            return address
        came_for = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return f"{address}?{urlencode({'next': came_for})}"
