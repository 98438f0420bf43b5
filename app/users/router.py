"""`/users` and their addresses."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from app.auth.dependencies import get_current_admin
from app.database import DatabaseDep, ReadSessionDep, SessionDep
from app.users import service
from app.users.models import User, UserAddress
from app.users.schemas import (
    AddressCreate,
    AddressRead,
    AddressUpdate,
    UserCreate,
    UserQuery,
    UserRead,
    UserUpdate,
    UserWithAddresses,
)
from app.utils.errors import responses
from app.utils.pagination import Page
from app.utils.schemas import PathId

router = APIRouter(
    prefix="/users",
    tags=["users"],
    dependencies=[Depends(get_current_admin)],
    responses=responses(401, 422),
)


@router.post("", response_model=UserRead, status_code=201, responses=responses(409))
async def create_user(body: UserCreate, response: Response, session: SessionDep) -> User:
    """Add a consumer. Their e-mail is unique, whatever website they came from."""
    user = await service.create_user(session, body)
    response.headers["Location"] = f"/api/v1/users/{user.id}"
    return user


@router.get("", response_model=Page[UserRead], responses=responses(404))
async def list_users(query: Annotated[UserQuery, Query()], database: DatabaseDep) -> Response:
    """List consumers; active ones unless `is_active` says otherwise."""
    return Response(await service.list_users(database, query), media_type="application/json")


@router.get("/{user_id}", response_model=UserWithAddresses, responses=responses(404))
async def get_user(user_id: PathId, session: ReadSessionDep) -> User:
    """One consumer with their addresses, active or not."""
    return await service.get_user(session, user_id, with_addresses=True)


@router.put("/{user_id}", response_model=UserRead, responses=responses(404, 409))
@router.patch("/{user_id}", response_model=UserRead, responses=responses(404, 409))
async def update_user(user_id: PathId, body: UserUpdate, session: SessionDep) -> User:
    """Change the fields that the body holds; PUT and PATCH are the same. `is_active: true` restores a consumer."""
    return await service.update_user(session, user_id, body)


@router.delete("/{user_id}", status_code=204, responses=responses(404))
async def delete_user(user_id: PathId, session: SessionDep) -> None:
    """Deactivate a consumer. Doing it again is 204 too."""
    await service.deactivate_user(session, user_id)


addresses = APIRouter(prefix="/{user_id}/addresses", responses=responses(404))


@addresses.post("", response_model=AddressRead, status_code=201)
async def create_address(user_id: PathId, body: AddressCreate, response: Response, session: SessionDep) -> UserAddress:
    """Add an address. A new default replaces the user's other one."""
    address = await service.create_address(session, user_id, body)
    response.headers["Location"] = f"/api/v1/users/{user_id}/addresses/{address.id}"
    return address


@addresses.get("", response_model=list[AddressRead])
async def list_addresses(user_id: PathId, session: ReadSessionDep) -> Sequence[UserAddress]:
    """A user's addresses, oldest first."""
    return await service.list_addresses(session, user_id)


@addresses.put("/{address_id}", response_model=AddressRead)
@addresses.patch("/{address_id}", response_model=AddressRead)
async def update_address(user_id: PathId, address_id: PathId, body: AddressUpdate, session: SessionDep) -> UserAddress:
    """Change the fields that the body holds; PUT and PATCH are the same. `is_default: true` unsets the other one."""
    return await service.update_address(session, user_id, address_id, body)


@addresses.delete("/{address_id}", status_code=204)
async def delete_address(user_id: PathId, address_id: PathId, session: SessionDep) -> None:
    """Delete an address. After a default one, the newest other address becomes the default."""
    await service.delete_address(session, user_id, address_id)


router.include_router(addresses)
