"""Who is asking: `CurrentAdmin` in a signature makes an endpoint need a token."""

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import OAuth2PasswordBearer
from sqlalchemy import Row

from app.auth import service
from app.utils.errors import Unauthorized

# What an unchanged admin costs: one look-up in this many seconds, and a deactivated one keeps access no longer.
ADMIN_CACHE_SECONDS = 3.0

_bearer = OAuth2PasswordBearer(tokenUrl="/api/v1/auth/login", auto_error=False)
TokenDep = Annotated[str | None, Depends(_bearer)]
Admin = Row[int, str, str, bool, datetime]


@dataclass
class AdminCache:
    _admins: dict[int, tuple[float, Admin]] = field(default_factory=dict)

    def get(self, admin_id: int) -> Admin | None:
        expires, admin = self._admins.get(admin_id, (0.0, None))
        return admin if expires > time.monotonic() else None

    def put(self, admin: Admin) -> None:
        if len(self._admins) > 1000:
            self._admins.clear()
        self._admins[admin.id] = (time.monotonic() + ADMIN_CACHE_SECONDS, admin)


async def get_token_settings(request: Request) -> service.TokenSettings:
    settings: service.TokenSettings = request.app.state.token_settings
    return settings


TokenSettingsDep = Annotated[service.TokenSettings, Depends(get_token_settings)]


async def get_current_admin(request: Request, token: TokenDep) -> Admin:
    # Before every request: what it needs is taken from the state, since a dependency costs more than its look-up.
    if not token:
        raise Unauthorized("This needs a token: log in, then send `Authorization: Bearer <access_token>`.")
    state = request.app.state
    admin_id = service.read_token(state.token_settings, token)
    cache: AdminCache = state.admin_cache
    admin = cache.get(admin_id)
    if admin is None:
        async with state.database.reads() as session:
            admin = await service.find_active_admin(session, admin_id)
        if admin is None:
            raise Unauthorized("The token's admin does not exist or is deactivated.")
        cache.put(admin)
    return admin


CurrentAdmin = Annotated[Admin, Depends(get_current_admin)]
