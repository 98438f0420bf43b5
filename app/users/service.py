"""The rules of consumers. An e-mail is a person, whatever website they came from; deleting deactivates."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from app.users.models import User, UserAddress, user_search
from app.users.schemas import (
    AddressCreate,
    AddressUpdate,
    UserCreate,
    UserQuery,
    UserUpdate,
    hide_placeholder,
)
from app.utils.errors import Conflict, NotFound, Unprocessable, violates
from app.utils.pagination import paginate
from app.utils.search import matches_words
from app.websites.service import ensure_website, select_linked_users

SORTS = {
    "id": User.id,
    "name": User.name,
    "email": User.email,
    "created_at": User.created_at,
    "updated_at": User.updated_at,
}


async def list_users(session: AsyncSession, request: UserQuery) -> dict[str, Any]:
    query, after = request.resume()
    statement: Select[*tuple[Any, ...]] = select(*User.__table__.columns).where(*_conditions(query))
    return await paginate(session, statement, query, sorts=SORTS, after=after)


def _conditions(query: UserQuery) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = []
    if query.q is not None:
        wanted.append(matches_words(user_search, query.q))
    if query.is_active != "any":
        wanted.append(User.is_active.is_(query.is_active == "true"))
    if query.source_website is not None:
        wanted.append(_known_on(query.source_website))
    if query.type is not None:
        wanted.append(User.type == query.type)
    if query.email is not None:
        wanted.append(User.email == query.email)
    if query.phone is not None:
        wanted.append(User.phone == query.phone)
    if query.country is not None or query.city is not None:
        wanted.append(_lives_in(query.country, query.city))
    if query.created_from is not None:
        wanted.append(User.created_at >= query.created_from)
    if query.created_to is not None:
        wanted.append(User.created_at <= query.created_to)
    if query.updated_since is not None:
        wanted.append(User.updated_at >= query.updated_since)
    return wanted


def _known_on(website: str) -> ColumnElement[bool]:
    # A union rather than OR, so that each half is read from its own index.
    first_seen = select(User.id).where(User.source_website == website)
    return User.id.in_(first_seen.union(select_linked_users(website)))


def _lives_in(country: str | None, city: str | None) -> ColumnElement[bool]:
    """One address has both."""
    residents = select(UserAddress.user_id)
    if country is not None:
        residents = residents.where(UserAddress.country == country)
    if city is not None:
        residents = residents.where(UserAddress.city == city)
    return User.id.in_(residents)


async def get_user(
    session: AsyncSession, user_id: int, *, with_addresses: bool = False, for_update: bool = False
) -> User:
    options = [selectinload(User.addresses)] if with_addresses else []
    user = await session.get(User, user_id, options=options, with_for_update=for_update or None)
    if user is None:
        raise NotFound(f"There is no user {user_id}.")
    return user


async def create_user(session: AsyncSession, data: UserCreate) -> User:
    await ensure_website(session, data.source_website)
    user = User(**data.model_dump())
    session.add(user)
    await _flush(session, user)
    return user


async def update_user(session: AsyncSession, user_id: int, data: UserUpdate) -> User:
    user = await get_user(session, user_id, for_update=True)
    changes = data.changes()
    if "email" in changes and changes["email"] is None:
        if hide_placeholder(user.email) is not None:
            raise Unprocessable("email cannot be null", field="email")
        del changes["email"]
    if "source_website" in changes:
        await ensure_website(session, changes["source_website"])
    for name, value in changes.items():
        setattr(user, name, value)
    await _flush(session, user)
    return user


async def deactivate_user(session: AsyncSession, user_id: int) -> None:
    """Soft delete; doing it again changes nothing."""
    user = await get_user(session, user_id, for_update=True)
    user.is_active = False
    await session.flush()


async def _flush(session: AsyncSession, user: User) -> None:
    email = user.email
    try:
        await session.flush()
    except IntegrityError as error:
        if violates(error, "uq_users_email"):
            raise Conflict(f"A user with the e-mail {email} exists already.") from None
        raise


async def list_addresses(session: AsyncSession, user_id: int) -> Sequence[UserAddress]:
    """Oldest first."""
    return (await get_user(session, user_id, with_addresses=True)).addresses


async def create_address(session: AsyncSession, user_id: int, data: AddressCreate) -> UserAddress:
    await _lock(session, user_id)
    if data.is_default:
        await _unset_default(session, user_id)
    address = UserAddress(user_id=user_id, **data.model_dump())
    session.add(address)
    await session.flush()
    return address


async def update_address(session: AsyncSession, user_id: int, address_id: int, data: AddressUpdate) -> UserAddress:
    await _lock(session, user_id)
    address = await _get_address(session, user_id, address_id)
    changes = data.changes()
    if changes.get("is_default") and not address.is_default:
        await _unset_default(session, user_id)
    for name, value in changes.items():
        setattr(address, name, value)
    await session.flush()
    return address


async def delete_address(session: AsyncSession, user_id: int, address_id: int) -> None:
    """Deletes it for real. The newest other address takes over from a default one."""
    await _lock(session, user_id)
    address = await _get_address(session, user_id, address_id)
    await session.delete(address)
    await session.flush()
    if address.is_default:
        others = select(UserAddress).where(UserAddress.user_id == user_id)
        newest = await session.scalar(others.order_by(UserAddress.id.desc()).limit(1))
        if newest is not None:
            newest.is_default = True
            await session.flush()


async def _lock(session: AsyncSession, user_id: int) -> None:
    """One change of a user's addresses at a time, so that two never both make a default."""
    await get_user(session, user_id, for_update=True)


async def _get_address(session: AsyncSession, user_id: int, address_id: int) -> UserAddress:
    address = await session.get(UserAddress, address_id)
    if address is None or address.user_id != user_id:
        raise NotFound(f"User {user_id} has no address {address_id}.")
    return address


async def _unset_default(session: AsyncSession, user_id: int) -> None:
    default = (UserAddress.user_id == user_id, UserAddress.is_default)
    await session.execute(update(UserAddress).where(*default).values(is_default=False))
