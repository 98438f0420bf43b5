"""What is bought together, as the API tells it: figures worked out by hand."""

from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Database
from app.predictions.baskets.counting import refresh
from app.predictions.baskets.service import bought_together, suggest_for_basket
from app.products.models import Product
from app.utils.errors import NotFound, Unprocessable
from tests.builders import create_order, create_product, create_user

URL = "/api/v1/predictions"
UNKNOWN = 2**62

Shelf = dict[str, Product]


def url_of(product: Product) -> str:
    return f"{URL}/products/{product.id}/bought-together"


@pytest.fixture
async def shelf(session: AsyncSession) -> Shelf:
    return {
        name: await create_product(session, sku=name, product_name=f"The {name}", source_website=website)
        for website, names in {"sailor": ("mug", "tea", "pot", "lid"), "rise": ("hat", "cap", "bow")}.items()
        for name in names
    }


@pytest.fixture
async def counted(session: AsyncSession, test_database: Database, shelf: Shelf) -> Shelf:
    """Five baskets of one website and four of another."""
    user = await create_user(session)
    sold = {"sailor": ("mug tea", "mug tea", "mug pot", "tea", "lid"), "rise": ("hat cap", "hat cap", "cap", "bow")}
    for website, baskets in sold.items():
        for basket in baskets:
            lines = [(shelf[name], 1) for name in basket.split()]
            await create_order(session, user=user, lines=lines, status="shipped", source_website=website)
    await refresh(test_database)
    return shelf


def told(answer: dict[str, Any]) -> list[tuple[str, float]]:
    return [(item["product"]["sku"], round(item["score"], 6)) for item in answer["items"]]


class TestBoughtTogether:
    async def test_anonymous(self, client: httpx.AsyncClient, shelf: Shelf):
        assert (await client.get(url_of(shelf["mug"]))).status_code == 401

    async def test_unknown(self, api: httpx.AsyncClient, session: AsyncSession):
        answer = await api.get(f"{URL}/products/{UNKNOWN}/bought-together")
        assert answer.status_code == 404
        assert answer.json()["detail"] == f"There is no product {UNKNOWN}."
        with pytest.raises(NotFound):
            await bought_together(session, UNKNOWN, 10)

    @pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "limit="])
    async def test_invalid(self, api: httpx.AsyncClient, shelf: Shelf, query: str):
        assert (await api.get(f"{url_of(shelf['mug'])}?{query}")).status_code == 422

    async def test_before_the_first_count(self, api: httpx.AsyncClient, shelf: Shelf):
        answer = await api.get(url_of(shelf["mug"]))
        assert answer.status_code == 200
        assert answer.json() == {
            "product_id": shelf["mug"].id,
            "counted_at": None,
            "baskets": 0,
            "website_baskets": 0,
            "items": [],
        }

    async def test_success(self, api: httpx.AsyncClient, counted: Shelf, statements: list[str]):
        await api.get(url_of(counted["mug"]))  # the admin is known from here on
        statements.clear()
        answer = await api.get(url_of(counted["mug"]))
        assert answer.status_code == 200
        assert len(statements) == 1
        body = answer.json()
        assert body["counted_at"]
        assert (body["product_id"], body["baskets"], body["website_baskets"]) == (counted["mug"].id, 3, 5)
        pot, tea = body["items"]
        # 1 / (3 + 10) * ln(1 * 5 / (3 * 1)), and 2 / (3 + 10) * ln(2 * 5 / (3 * 3))
        assert told(body) == [("pot", 0.039294), ("tea", 0.016209)]
        assert pot["product"] == {
            "id": counted["pot"].id,
            "sku": "pot",
            "product_name": "The pot",
            "price": "12.50",
            "is_active": True,
        }
        assert tea | {"product": None, "score": None} == {
            "product": None,
            "score": None,
            "bought_with": counted["mug"].id,
            "baskets": 2,
            "support": pytest.approx(2 / 5),
            "confidence": pytest.approx(2 / 3),
            "lift": pytest.approx(2 * 5 / (3 * 3)),
        }
        assert told((await api.get(f"{url_of(counted['mug'])}?limit=1")).json()) == [("pot", 0.039294)]

    async def test_what_is_bought_less_often_than_by_chance_is_not_shown(
        self, api: httpx.AsyncClient, session: AsyncSession, test_database: Database, shelf: Shelf
    ):
        for names in (["mug", "tea"], ["mug"], ["mug", "pot"], ["tea", "pot"], ["tea", "pot"]):
            await create_order(session, lines=[(shelf[name], 1) for name in names], status="confirmed")
        await refresh(test_database)
        assert told((await api.get(url_of(shelf["mug"]))).json()) == []
        assert [sku for sku, _ in told((await api.get(url_of(shelf["tea"]))).json())] == ["pot"]

    async def test_inactive_products_are_left_out(self, api: httpx.AsyncClient, session: AsyncSession, counted: Shelf):
        await session.execute(text("UPDATE products SET is_active = false WHERE sku IN ('pot', 'mug')"))
        assert told((await api.get(url_of(counted["mug"]))).json()) == [("tea", 0.016209)]

    async def test_a_product_sold_under_another_website_only(
        self, api: httpx.AsyncClient, session: AsyncSession, test_database: Database, shelf: Shelf
    ):
        for names in (["mug", "tea"], ["pot"], ["mug", "hat"]):
            lines = [(shelf[name], 1) for name in names]
            await create_order(session, lines=lines, status="confirmed", source_website="counter")
        await refresh(test_database)
        body = (await api.get(url_of(shelf["mug"]))).json()
        assert (body["baskets"], body["website_baskets"], body["items"]) == (2, 2, [])


class TestBasket:
    async def test_anonymous(self, client: httpx.AsyncClient, shelf: Shelf):
        body = {"product_ids": [shelf["mug"].id]}
        assert (await client.post(f"{URL}/basket", json=body)).status_code == 401

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "product_ids"),
            ({"product_ids": []}, "product_ids"),
            ({"product_ids": [0]}, "product_ids.0"),
            ({"product_ids": [2**63]}, "product_ids.0"),
            ({"product_ids": list(range(1, 102))}, "product_ids"),
            ({"product_ids": [1], "limit": 0}, "limit"),
            ({"product_ids": [1], "size": 3}, "size"),
            ({"product_ids": [UNKNOWN]}, "product_ids.0"),
        ],
    )
    async def test_invalid(self, api: httpx.AsyncClient, body: dict[str, Any], field: str):
        answer = await api.post(f"{URL}/basket", json=body)
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == [field]

    async def test_unknown_products_are_named(self, session: AsyncSession, shelf: Shelf):
        with pytest.raises(Unprocessable, match=rf"no product {UNKNOWN}\.") as refused:
            await suggest_for_basket(session, [shelf["mug"].id, UNKNOWN, UNKNOWN + 1], 10)
        assert refused.value.errors
        assert refused.value.errors[0].field == "product_ids.1"

    async def test_success(self, api: httpx.AsyncClient, counted: Shelf, statements: list[str]):
        asked = [counted["tea"].id, counted["pot"].id, counted["tea"].id]
        await api.post(f"{URL}/basket", json={"product_ids": asked})
        statements.clear()
        answer = await api.post(f"{URL}/basket", json={"product_ids": asked})
        assert answer.status_code == 200
        assert len(statements) == 1
        (mug,) = answer.json()["items"]
        # With tea 2 / 13 * ln(10 / 9) = 0.016209, with the pot 1 / 11 * ln(5 / 3) = 0.046439: the root of both squares.
        assert told(answer.json()) == [("mug", 0.049186)]
        assert (mug["bought_with"], mug["baskets"], mug["confidence"]) == (counted["pot"].id, 1, 1.0)
        assert mug["support"] == pytest.approx(1 / 5)
        assert mug["lift"] == pytest.approx(5 / 3)

    async def test_one_product_is_a_basket(self, api: httpx.AsyncClient, counted: Shelf):
        alone = (await api.get(url_of(counted["mug"]))).json()
        basket = (await api.post(f"{URL}/basket", json={"product_ids": [counted["mug"].id]})).json()
        assert basket == {"counted_at": alone["counted_at"], "items": alone["items"]}

    async def test_products_of_two_websites(self, api: httpx.AsyncClient, counted: Shelf):
        """Each is scored among the baskets of its own: 2 / (3 + 10) * ln(2 * 4 / (3 * 2)) for cap and hat."""
        asked = [counted["mug"].id, counted["cap"].id]
        assert told((await api.post(f"{URL}/basket", json={"product_ids": asked})).json()) == [
            ("hat", 0.044259),
            ("pot", 0.039294),
            ("tea", 0.016209),
        ]

    async def test_nothing_of_another_website(
        self, api: httpx.AsyncClient, session: AsyncSession, test_database: Database, shelf: Shelf
    ):
        for names in (["mug", "hat", "tea"], ["lid"], ["lid"]):
            lines = [(shelf[name], 1) for name in names]
            await create_order(session, lines=lines, status="delivered", total_amount=Decimal(1))
        await refresh(test_database)
        asked = [shelf["mug"].id, shelf["cap"].id]
        (tea,) = (await api.post(f"{URL}/basket", json={"product_ids": asked})).json()["items"]
        assert tea["product"]["sku"] == "tea"
