"""`/products`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from app.auth.dependencies import get_current_admin
from app.database import DatabaseDep, ReadSessionDep, SessionDep
from app.products import service
from app.products.models import Product
from app.products.schemas import ProductCreate, ProductQuery, ProductRead, ProductUpdate
from app.utils.errors import responses
from app.utils.pagination import Page
from app.utils.schemas import PathId

router = APIRouter(
    prefix="/products",
    tags=["products"],
    dependencies=[Depends(get_current_admin)],
    responses=responses(401, 422),
)


@router.post("", response_model=ProductRead, status_code=201, responses=responses(409))
async def create_product(body: ProductCreate, response: Response, session: SessionDep) -> Product:
    """Add a product. Its SKU is unique within its website."""
    product = await service.create_product(session, body)
    response.headers["Location"] = f"/api/v1/products/{product.id}"
    return product


@router.get("", response_model=Page[ProductRead], responses=responses(404))
async def list_products(query: Annotated[ProductQuery, Query()], database: DatabaseDep) -> Response:
    """List products; active ones unless `is_active` says otherwise."""
    return Response(await service.list_products(database, query), media_type="application/json")


@router.get("/{product_id}", response_model=ProductRead, responses=responses(404))
async def get_product(product_id: PathId, session: ReadSessionDep) -> Product:
    """One product, active or not."""
    return await service.get_product(session, product_id)


@router.put("/{product_id}", response_model=ProductRead, responses=responses(404, 409))
@router.patch("/{product_id}", response_model=ProductRead, responses=responses(404, 409))
async def update_product(product_id: PathId, body: ProductUpdate, session: SessionDep) -> Product:
    """Change the fields that the body holds; PUT and PATCH are the same. `is_active: true` restores a product."""
    return await service.update_product(session, product_id, body)


@router.delete("/{product_id}", status_code=204, responses=responses(404))
async def delete_product(product_id: PathId, session: SessionDep) -> None:
    """Deactivate a product. Doing it again is 204 too."""
    await service.deactivate_product(session, product_id)
