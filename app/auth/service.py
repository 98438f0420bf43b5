"""Admins: registration, login, tokens. Passwords are bcrypt hashes, verified off the event loop."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256

import jwt
from pwdlib import PasswordHash
from pwdlib.hashers.bcrypt import BcryptHasher
from pydantic import SecretStr
from sqlalchemy import ColumnElement, Row, delete, exists, func, or_, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.models import AdminUser, LoginFailure
from app.auth.schemas import MAX_PASSWORD_BYTES, AdminCreate, Credentials
from app.database import Database
from app.utils.clock import utc_now
from app.utils.errors import Conflict, NotFound, TooManyRequests, Unauthorized, violates

# One address may try several accounts (an office behind one address does), but not endlessly.
ADDRESS_ALLOWANCE = 10

_hasher = PasswordHash((BcryptHasher(),))


@lru_cache(maxsize=1)
def _hash_of_nothing() -> str:
    """Unknown users are verified against this, so that they take as long as a wrong password."""
    return _hasher.hash("no password has this hash")


async def hash_password(password: SecretStr) -> str:
    return await asyncio.to_thread(_hasher.hash, password.get_secret_value())


async def verify_password(password: SecretStr, hashed: str | None) -> bool:
    def verify() -> bool:
        given = password.get_secret_value().encode()
        fits = len(given) <= MAX_PASSWORD_BYTES and b"\x00" not in given
        matches = _hasher.verify(given if fits else b"", hashed or _hash_of_nothing())
        return matches and fits and hashed is not None

    return await asyncio.to_thread(verify)


@dataclass(frozen=True)
class TokenSettings:
    secret_key: str
    algorithm: str
    lifetime: timedelta


def create_token(settings: TokenSettings, admin_id: int) -> str:
    now = utc_now()
    payload = {"sub": str(admin_id), "iat": now, "exp": now + settings.lifetime}
    return jwt.encode(payload, settings.secret_key, algorithm=settings.algorithm)


def read_token(settings: TokenSettings, token: str) -> int:
    """The admin id of a valid token. Raises Unauthorized for every other one."""
    try:
        payload = jwt.decode(
            token,
            settings.secret_key,
            algorithms=[settings.algorithm],
            # `iat` is checked by nobody: the clock of the machine that issued the token may run ahead of ours.
            options={"require": ["sub", "exp", "iat"], "verify_iat": False},
        )
        admin_id = int(payload["sub"])
    except jwt.ExpiredSignatureError:
        raise Unauthorized("The token has expired; log in again.") from None
    except (jwt.InvalidTokenError, ValueError, UnicodeError):
        raise Unauthorized("The token is not valid.") from None
    if not 0 < admin_id < 2**63:
        raise Unauthorized("The token is not valid.")
    return admin_id


async def find_active_admin(session: AsyncSession, admin_id: int) -> "Row[int, str, str, bool, datetime] | None":
    columns = (AdminUser.id, AdminUser.username, AdminUser.email, AdminUser.is_active, AdminUser.created_at)
    found = await session.execute(select(*columns).where(AdminUser.id == admin_id, AdminUser.is_active))
    return found.one_or_none()


async def first_registration_is_open(session: AsyncSession) -> bool:
    """Whether there is no admin yet. Takes a lock until the commit, so that two first ones cannot slip in."""
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtext('first admin'))"))
    return not await session.scalar(select(exists().where(AdminUser.id.is_not(None))))


async def register_admin(session: AsyncSession, data: AdminCreate) -> AdminUser:
    admin = AdminUser(
        username=data.username,
        email=data.email,
        hashed_password=await hash_password(data.password),
        is_active=True,
    )
    session.add(admin)
    try:
        await session.flush()
    except IntegrityError as error:
        if violates(error, "uq_admin_users_username"):
            raise Conflict(f"username: {data.username} is taken already.") from None
        if violates(error, "uq_admin_users_email"):
            raise Conflict(f"email: {data.email} is taken already.") from None
        raise
    return admin


async def log_in(database: Database, credentials: Credentials, *, address: str, allowed: int, window: timedelta) -> int:
    """The id of the admin whose credentials these are. Raises Unauthorized or TooManyRequests.

    Owns its transactions: an attempt counts from before its password is verified, so that a hundred guesses at
    once are a hundred attempts, and it has to stay counted when the answer is an error.
    """
    async with database.sessions.begin() as session:
        admin = await _find_by_name(session, credentials.username)
        account = f"admin {admin.id}" if admin else credentials.username.lower()
        attempt = LoginFailure(account=sha256(account.encode()).hexdigest(), address=address)
        await _count_attempt(session, attempt, allowed=allowed, window=window)
        hashed = admin.hashed_password if admin and admin.is_active else None
    if not await verify_password(credentials.password, hashed):
        raise Unauthorized("The username or the password is wrong.")
    assert admin is not None
    async with database.sessions.begin() as session:
        await session.execute(
            delete(LoginFailure).where(LoginFailure.account == attempt.account, LoginFailure.address == address)
        )
    return admin.id


async def _find_by_name(session: AsyncSession, name: str) -> AdminUser | None:
    found = await session.scalars(
        select(AdminUser).where(or_(AdminUser.username == name, AdminUser.email == name.lower()))
    )
    return found.one_or_none()


async def _count_attempt(session: AsyncSession, attempt: LoginFailure, *, allowed: int, window: timedelta) -> None:
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtext(:address))"), {"address": attempt.address})
    now = utc_now()
    await session.execute(delete(LoginFailure).where(LoginFailure.failed_at < now - window))
    from_address = LoginFailure.address == attempt.address
    limits: list[tuple[ColumnElement[bool], int]] = [
        ((LoginFailure.account == attempt.account) & from_address, allowed),
        (from_address, allowed * ADDRESS_ALLOWANCE),
    ]
    for counted, limit in limits:
        failures, oldest = (
            await session.execute(select(func.count(), func.min(LoginFailure.failed_at)).where(counted))
        ).one()
        if failures >= limit:
            wait = max(1, round((oldest + window - now).total_seconds()))
            raise TooManyRequests(f"Too many failed logins; try again in {wait} seconds.", retry_after=wait)
    attempt.failed_at = now
    session.add(attempt)


async def list_admins(session: AsyncSession) -> Sequence[AdminUser]:
    return (await session.scalars(select(AdminUser).order_by(AdminUser.id))).all()


async def get_admin_by_name(session: AsyncSession, name: str) -> AdminUser:
    admin = await _find_by_name(session, name)
    if admin is None:
        raise NotFound(f"There is no admin {name}.")
    return admin


async def set_admin_active(session: AsyncSession, name: str, active: bool) -> AdminUser:
    admin = await get_admin_by_name(session, name)
    admin.is_active = active
    return admin


async def set_password(session: AsyncSession, name: str, password: SecretStr) -> AdminUser:
    """`password` has to be one that AdminCreate accepts."""
    admin = await get_admin_by_name(session, name)
    admin.hashed_password = await hash_password(password)
    return admin
