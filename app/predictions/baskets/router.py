"""`/predictions`: what is bought together."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from app.auth.dependencies import get_current_admin
from app.database import ReadSessionDep
from app.predictions.baskets import service
from app.predictions.baskets.schemas import BasketQuery, BasketSuggestions, BoughtTogether, Limit
from app.utils.errors import responses
from app.utils.schemas import PathId

router = APIRouter(
    prefix="/predictions",
    tags=["predictions"],
    dependencies=[Depends(get_current_admin)],
    responses=responses(401, 422),
)


@router.get("/products/{product_id}/bought-together", response_model=BoughtTogether, responses=responses(404))
async def get_bought_together(
    product_id: PathId,
    session: ReadSessionDep,
    limit: Annotated[Limit, Query()] = 10,
) -> dict[str, Any]:
    """What is bought together with a product, the best first. Products that are not active are left out."""
    return await service.bought_together(session, product_id, limit)


@router.post("/basket", response_model=BasketSuggestions)
async def suggest_for_basket(body: BasketQuery, session: ReadSessionDep) -> dict[str, Any]:
    """What goes with the products of a basket, the best first, without those that are in it."""
    return await service.suggest_for_basket(session, body.product_ids, body.limit)
