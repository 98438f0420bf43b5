"""The rules of consumers. An e-mail is a person, whatever website they came from; deleting deactivates."""

from collections.abc import Sequence

from sqlalchemy import bindparam, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from app.database import Database
from app.predictions.consumers.listing import USER_FILTERS
from app.predictions.consumers.scopes import Asked, recall_reference
from app.users.models import PLACEHOLDER_DOMAIN, User, UserAddress, user_search
from app.users.schemas import (
    AddressCreate,
    AddressUpdate,
    UserCreate,
    UserQuery,
    UserRead,
    UserUpdate,
    hide_placeholder,
)
from app.utils.errors import Conflict, NotFound, Unprocessable, violates
from app.utils.json_rows import json_object, json_text
from app.utils.listing import Listing, read_page_json
from app.utils.search import matches_words, to_words
from app.websites.service import ensure_website, link_own_user, select_linked_users

_RESIDENTS = select(UserAddress.user_id)
_IN_COUNTRY = UserAddress.country == bindparam("country")
_IN_CITY = UserAddress.city == bindparam("city")
_SHOWN_EMAIL = f"CASE WHEN users.email NOT LIKE '%{PLACEHOLDER_DOMAIN}' THEN users.email END"

LISTING = Listing(
    rows=select(json_text(json_object(UserRead, User, email=_SHOWN_EMAIL))).select_from(User),
    filters={
        "q": matches_words(user_search),
        "source_website": User.id.in_(select_linked_users()),
        "type": User.type == bindparam("type"),
        "email": User.email == bindparam("email"),
        "phone": User.phone == bindparam("phone"),
        "country": User.id.in_(_RESIDENTS.where(_IN_COUNTRY)),
        "city": User.id.in_(_RESIDENTS.where(_IN_CITY)),
        "created_from": User.created_at >= bindparam("created_from"),
        "created_to": User.created_at <= bindparam("created_to"),
        "updated_since": User.updated_at >= bindparam("updated_since"),
        **USER_FILTERS,
    },
    # One address has both.
    joint_filters={("country", "city"): User.id.in_(_RESIDENTS.where(_IN_COUNTRY, _IN_CITY))},
    sorts={
        "id": User.id,
        "name": User.name,
        "email": User.email,
        "created_at": User.created_at,
        "updated_at": User.updated_at,
    },
    to_bound={"q": to_words},
    choices={"is_active": {"true": User.is_active.is_(True), "false": ~User.is_active}},
    unpredictable=frozenset({"q", "country", "city"} | USER_FILTERS.keys()),
)


async def list_users(database: Database, request: UserQuery) -> bytes:
    """A page of users, as JSON. Raises NotFound for a filter of what is predicted where nothing has been."""
    asked, _ = request.resume()
    if not asked.predicted_filters():
        return await read_page_json(database, LISTING, request)
    found = await recall_reference(database, Asked(asked.source_website))
    scope = {"prediction_run_id": found["run_id"], "prediction_model_id": found["model_id"]}
    return await read_page_json(database, LISTING, request, **scope)


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
    await link_own_user(session, user.id, user.source_website)
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
        await link_own_user(session, user.id, changes["source_website"])
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
