"""`/orders` and `/orders/{order_id}/details`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from app.auth.dependencies import CurrentAdmin, get_current_admin
from app.config import Settings
from app.database import DatabaseDep, ReadSessionDep, SessionDep
from app.orders import idempotency, queries, service
from app.orders.models import Order, OrderDetail
from app.orders.schemas import (
    DetailCreate,
    DetailRead,
    DetailUpdate,
    OrderCreate,
    OrderQuery,
    OrderRead,
    OrderUpdate,
    OrderWithDetails,
)
from app.utils.errors import responses
from app.utils.pagination import Page
from app.utils.schemas import PathId

router = APIRouter(
    prefix="/orders",
    tags=["orders"],
    dependencies=[Depends(get_current_admin)],
    responses=responses(401, 422),
)


async def get_default_currency(request: Request) -> str:
    settings: Settings = request.app.state.settings
    return settings.default_currency


DefaultCurrencyDep = Annotated[str, Depends(get_default_currency)]
IdempotencyKeyHeader = Annotated[
    str | None,
    Header(
        alias=idempotency.HEADER,
        min_length=1,
        max_length=255,
        pattern=r"^[\x20-\x7e]+$",
        description="sent again within 24 hours, the same order is answered and none is created",
    ),
]


@router.post("", response_model=OrderWithDetails, status_code=201, responses=responses(409))
async def create_order(
    body: OrderCreate,
    session: SessionDep,
    admin: CurrentAdmin,
    default_currency: DefaultCurrencyDep,
    key: IdempotencyKeyHeader = None,
) -> Response:
    """Add an order with its lines. The total is computed; the number is unique within its website."""
    headers = {}
    if key is None:
        order_id = await service.create_order(session, body, default_currency=default_currency)
        answer = await queries.read_order(await session.connection(), order_id)
    else:
        order_id, answer, replayed = await idempotency.create_order_once(
            session, body, admin_id=admin.id, key=key, default_currency=default_currency
        )
        if replayed:
            headers["Idempotency-Replayed"] = "true"
    headers["Location"] = f"/api/v1/orders/{order_id}"
    return Response(answer, status_code=201, headers=headers, media_type="application/json")


@router.get("", response_model=Page[OrderRead])
async def list_orders(query: Annotated[OrderQuery, Query()], database: DatabaseDep) -> Response:
    """List orders, without their lines."""
    return Response(await queries.list_orders(database, query), media_type="application/json")


@router.get("/{order_id}", response_model=OrderWithDetails, responses=responses(404))
async def get_order(order_id: PathId, database: DatabaseDep) -> Response:
    """One order with its consumer and its lines."""
    async with database.reading() as connection:
        answer = await queries.read_order(connection, order_id)
    return Response(answer, media_type="application/json")


@router.put("/{order_id}", response_model=OrderWithDetails, responses=responses(404, 409))
@router.patch("/{order_id}", response_model=OrderWithDetails, responses=responses(404, 409))
async def update_order(order_id: PathId, body: OrderUpdate, session: SessionDep) -> Order:
    """Change the status, and the amounts while the order is pending or confirmed; PUT and PATCH are the same.

    A status moves forward from pending over confirmed and shipped to delivered, and may skip. An order that is not
    delivered can be cancelled. An order that is synced from a website keeps that website's amounts.
    """
    return await service.update_order(session, order_id, body)


@router.delete("/{order_id}", status_code=204, responses=responses(404, 409))
async def delete_order(order_id: PathId, session: SessionDep) -> None:
    """Cancel an order. Doing it again is 204 too; a delivered order is 409."""
    await service.cancel_order(session, order_id)


@router.post("/{order_id}/details", response_model=DetailRead, status_code=201, responses=responses(404, 409))
async def create_detail(order_id: PathId, body: DetailCreate, response: Response, session: SessionDep) -> OrderDetail:
    """Add a line to a pending or confirmed order, and to its total."""
    detail = await service.create_detail(session, order_id, body)
    response.headers["Location"] = f"/api/v1/orders/{order_id}/details/{detail.id}"
    return detail


@router.get("/{order_id}/details", response_model=list[DetailRead], responses=responses(404))
async def list_details(order_id: PathId, session: ReadSessionDep) -> list[OrderDetail]:
    """All lines of an order, in the order they were added."""
    return await service.list_details(session, order_id)


@router.put("/{order_id}/details/{detail_id}", response_model=DetailRead, responses=responses(404, 409))
@router.patch("/{order_id}/details/{detail_id}", response_model=DetailRead, responses=responses(404, 409))
async def update_detail(order_id: PathId, detail_id: PathId, body: DetailUpdate, session: SessionDep) -> OrderDetail:
    """Change quantity or unit price of a line, and so the order's total; PUT and PATCH are the same."""
    return await service.update_detail(session, order_id, detail_id, body)


@router.delete("/{order_id}/details/{detail_id}", status_code=204, responses=responses(404, 409))
async def delete_detail(order_id: PathId, detail_id: PathId, session: SessionDep) -> None:
    """Remove a line. The last one stays: an order without lines is a cancelled one."""
    await service.delete_detail(session, order_id, detail_id)
