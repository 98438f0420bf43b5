"""Admins: registration, login, tokens. Passwords are bcrypt hashes, verified off the event loop."""

import asyncio
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

import jwt
from jwt.warnings import InsecureKeyLengthWarning
from pwdlib import PasswordHash
from pwdlib.hashers.bcrypt import BcryptHasher
from pydantic import SecretStr
from sqlalchemy import ColumnElement, Row, delete, exists, func, or_, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.models import AdminUser, LoginAttempt
from app.auth.schemas import MAX_PASSWORD_BYTES, AdminCreate, Credentials
from app.database import Database
from app.utils.clock import utc_now
from app.utils.errors import Conflict, NotFound, TooManyRequests, Unauthorized, violates

# One address may try several accounts (an office behind one address does), but not endlessly.
ADDRESS_ALLOWANCE = 10
# Several logins of one account at once are a client with several workers, or a burst of guesses.
AT_ONCE_ALLOWANCE = 4

# Said once at the start, in our own words, and refused in production.
warnings.filterwarnings("ignore", category=InsecureKeyLengthWarning)
_hasher = PasswordHash((BcryptHasher(),))


# Unknown users are verified against this, so that they take as long as a wrong password.
_HASH_OF_NOTHING = "$2b$12$FNv0otflxNVUQprGTXTqfe182ehpltCUkGJreyHvkXqozdetQBeA6"


async def hash_password(password: SecretStr) -> str:
    return await asyncio.to_thread(_hasher.hash, password.get_secret_value())


async def verify_password(password: SecretStr, hashed: str | None) -> bool:
    def verify() -> bool:
        given = password.get_secret_value().encode()
        fits = len(given) <= MAX_PASSWORD_BYTES and b"\x00" not in given
        matches = _hasher.verify(given if fits else b"", hashed or _HASH_OF_NOTHING)
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

    Owns its transactions: an attempt is on record before its password is verified, so that a hundred guesses at once
    do not all slip through, and a failed one stays counted though the answer is an error.
    """
    async with database.sessions.begin() as session:
        admin = await _find_by_name(session, credentials.username)
        account = f"admin {admin.id}" if admin else credentials.username.lower()
        attempt = LoginAttempt(account=sha256(account.encode()).hexdigest(), address=address[:64])
        await _count_attempt(session, attempt, allowed=allowed, window=window)
        hashed = admin.hashed_password if admin and admin.is_active else None
    verified = await verify_password(credentials.password, hashed)
    async with database.sessions.begin() as session:
        if verified:
            await session.execute(
                delete(LoginAttempt).where(
                    LoginAttempt.account == attempt.account,
                    LoginAttempt.address == attempt.address,
                    LoginAttempt.has_failed | (LoginAttempt.id == attempt.id),
                )
            )
        else:
            await session.execute(update(LoginAttempt).where(LoginAttempt.id == attempt.id).values(has_failed=True))
    if not verified or admin is None:
        raise Unauthorized("The username or the password is wrong.")
    return admin.id


async def _find_by_name(session: AsyncSession, name: str) -> AdminUser | None:
    found = await session.scalars(
        select(AdminUser).where(or_(AdminUser.username == name, AdminUser.email == name.lower()))
    )
    return found.one_or_none()


async def _count_attempt(session: AsyncSession, attempt: LoginAttempt, *, allowed: int, window: timedelta) -> None:
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtext(:address))"), {"address": attempt.address})
    now = utc_now()
    await session.execute(delete(LoginAttempt).where(LoginAttempt.attempted_at < now - window))
    from_address = LoginAttempt.address == attempt.address
    of_account = (LoginAttempt.account == attempt.account) & from_address
    limits: list[tuple[ColumnElement[bool], int]] = [
        (of_account & LoginAttempt.has_failed, allowed),
        (of_account, allowed * AT_ONCE_ALLOWANCE),
        (from_address, allowed * ADDRESS_ALLOWANCE),
    ]
    for counted, limit in limits:
        number, oldest = (
            await session.execute(select(func.count(), func.min(LoginAttempt.attempted_at)).where(counted))
        ).one()
        if number >= limit:
            wait = max(1, round((oldest + window - now).total_seconds()))
            raise TooManyRequests(f"Too many failed logins; try again in {wait} seconds.", retry_after=wait)
    attempt.attempted_at = now
    session.add(attempt)
    await session.flush()


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
