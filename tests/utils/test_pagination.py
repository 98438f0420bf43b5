"""Lists: walking by cursor while rows come and go, cursors that are not ours, and what a total costs."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, get_args

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from app.products.models import Product
from app.products.schemas import ProductQuery
from app.utils import pagination
from tests.builders import create_order, create_product, create_user, unique

URL = "/api/v1/products"
SORTS = get_args(ProductQuery.model_fields["sort"].annotation)
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)

bounded = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


async def fetch(api: httpx.AsyncClient, **query: Any) -> dict[str, Any]:
    answer = await api.get(URL, params=query)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


async def assert_refused(api: httpx.AsyncClient, field: str, **query: Any) -> None:
    answer = await api.get(URL, params=query)
    assert answer.status_code == 422, answer.text
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def create_products(session: AsyncSession, website: str, count: int) -> list[int]:
    return [(await create_product(session, source_website=website)).id for _ in range(count)]


@dataclass
class Step:
    """The rows that come and go before a page is asked for, and its size."""

    size: int = 3
    added: Sequence[int] = ()
    removed: Sequence[int] = ()


some_ranks = st.lists(st.integers(0, 3), max_size=2)
some_places = st.lists(st.integers(0, 99), max_size=2)


class TestWalking:
    @bounded
    @given(
        sort=st.sampled_from(SORTS),
        ranks=st.lists(st.integers(0, 3), max_size=12),
        steps=st.lists(st.builds(Step, size=st.integers(1, 4), added=some_ranks, removed=some_places), max_size=8),
    )
    async def test_neither_skips_nor_repeats(
        self,
        api: httpx.AsyncClient,
        session: AsyncSession,
        sort: str,
        ranks: list[int],
        steps: list[Step],
    ):
        website = unique("site")

        async def add(rank: int) -> int:
            """A product whose values in every sort but id and SKU are those of others with its rank."""
            moment = EPOCH + timedelta(seconds=rank)
            product = await create_product(
                session,
                source_website=website,
                product_name=f"Mug {rank}",
                sku=unique(f"MUG-{rank}"),
                price=Decimal(rank),
                created_at=moment,
                updated_at=moment,
            )
            return product.id

        alive = [await add(rank) for rank in ranks]
        steady = set(alive)
        page = await fetch(api, source_website=website, sort=sort, size=2)
        seen = page["items"]
        remaining = iter(steps)
        while page["next_cursor"]:
            step = next(remaining, Step())
            alive += [await add(rank) for rank in step.added]
            removed = {alive[place % len(alive)] for place in step.removed if alive}
            await session.execute(delete(Product).where(Product.id.in_(removed)))
            alive = [product_id for product_id in alive if product_id not in removed]
            steady -= removed
            page = await fetch(api, cursor=page["next_cursor"], size=step.size)
            assert len(page["items"]) <= step.size
            seen += page["items"]

        ids = [item["id"] for item in seen]
        assert len(ids) == len(set(ids))
        assert steady <= set(ids)
        column = sort.removeprefix("-")
        keys = [(item[column], item["id"]) for item in seen]
        assert keys == sorted(keys, reverse=sort.startswith("-"))

    @bounded
    @given(
        names=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=255), max_size=8),
        sort=st.sampled_from(["product_name", "-product_name"]),
    )
    async def test_any_text_can_be_continued_after(
        self, api: httpx.AsyncClient, session: AsyncSession, names: list[str], sort: str
    ):
        website = unique("site")
        for name in names:
            await create_product(session, source_website=website, product_name=name)
        whole = await fetch(api, source_website=website, sort=sort)
        page = await fetch(api, source_website=website, sort=sort, size=1)
        walked = page["items"]
        while page["next_cursor"]:
            page = await fetch(api, cursor=page["next_cursor"], size=1)
            walked += page["items"]
        assert walked == whole["items"]

    async def test_the_longest_cursor_is_accepted(self, api: httpx.AsyncClient, session: AsyncSession):
        for _ in range(2):
            await create_product(session, source_website="x" * 100, product_name="\x01" * 255, barcode="\x01" * 100)
        page = await fetch(
            api,
            source_website="x" * 100,
            barcode="\x01" * 100,
            sort="product_name",
            price_min="0",
            created_from="2026-01-01",
            size=1,
        )
        assert len((await fetch(api, cursor=page["next_cursor"]))["items"]) == 1

    async def test_pages_are_numbered_alike(self, api: httpx.AsyncClient, session: AsyncSession):
        website = unique("site")
        ids = await create_products(session, website, 5)
        pages = [await fetch(api, source_website=website, sort="id", size=2, page=number) for number in (1, 2, 3, 4)]
        assert [[item["id"] for item in page["items"]] for page in pages] == [ids[:2], ids[2:4], ids[4:], []]
        assert [page["page"] for page in pages] == [1, 2, 3, 4]
        assert {(page["total"], page["total_is_estimate"], page["pages"]) for page in pages} == {(5, False, 3)}
        assert [bool(page["next_cursor"]) for page in pages] == [True, True, False, False]
        last = await fetch(api, cursor=pages[1]["next_cursor"])
        assert last == pages[2] | {"page": None, "size": 50, "pages": 1}

    async def test_a_page_far_beyond_the_end(self, api: httpx.AsyncClient):
        page = await fetch(api, source_website=unique("site"), page=1_000_000_000, size=200)
        assert (page["items"], page["total"], page["pages"], page["next_cursor"]) == ([], 0, 0, None)


class TestContradictions:
    @pytest.fixture
    async def cursor(self, api: httpx.AsyncClient, session: AsyncSession) -> str:
        await create_products(session, "sailor", 3)
        page = await fetch(api, source_website="sailor", sort="price", size=1)
        assert isinstance(page["next_cursor"], str)
        return page["next_cursor"]

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("page", "1"),
            ("sort", "-price"),
            ("sort", "-id"),
            ("source_website", "rise"),
            ("is_active", "any"),
            ("q", "mug"),
        ],
    )
    async def test_are_refused(self, api: httpx.AsyncClient, cursor: str, field: str, value: str):
        await assert_refused(api, field, cursor=cursor, **{field: value})

    async def test_the_same_again_is_none(self, api: httpx.AsyncClient, cursor: str):
        repeated = {"source_website": " Sailor ", "sort": "price", "is_active": "true", "count": "none", "size": 2}
        page = await fetch(api, cursor=cursor, **repeated)
        assert len(page["items"]) == 2
        assert page["total"] is None


def encode(document: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode()


def forge(after: Any, **query: Any) -> str:
    return encode({"query": query, "after": after})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


class TestForeignCursors:
    @pytest.mark.parametrize(
        "cursor",
        [
            "",
            "x",
            "not base64!",
            "ünïcödé",
            "x" * 8193,
            base64.urlsafe_b64encode(b"\xff\xfe").decode(),
            base64.urlsafe_b64encode(b"[" * 3000).decode(),
            encode(None),
            encode([]),
            encode({"after": [1, 1]}),
            encode({"query": {}}),
            encode({"query": [], "after": [1, 1]}),
            encode({"query": "x", "after": [1, 1]}),
            forge(None),
            forge([]),
            forge([1]),
            forge([1, 1, 1]),
            forge([1, "1"]),
            forge([1, None]),
            forge([1, True]),
            forge([1, 1.5]),
            forge([1, 2**63]),
            forge([1, -(2**63)]),
            forge([2**63, 1]),
            forge(["x", 1]),
            forge([None, 1]),
            forge([[], 1]),
            forge([1, 1], colour="blue"),
            forge([1, 1], sort="weight"),
            forge([1, 1], sku="\x00"),
            forge([1, 1], sku="\ud800"),
            forge([1, 1], price_min="NaN"),
            forge([1, 1], sort="sku"),
            forge(["\x00", 1], sort="sku"),
            forge(["\ud800", 1], sort="sku"),
            forge(["x", 1], sort="price"),
            forge(["NaN", 1], sort="price"),
            forge(["Infinity", 1], sort="price"),
            forge(["1e1000000", 1], sort="price"),
            forge(["1e-1000000", 1], sort="price"),
            forge(["soon", 1], sort="created_at"),
            forge(["0000-01-01", 1], sort="created_at"),
            forge([1.5, 1], sort="created_at"),
        ],
    )
    async def test_are_refused(self, api: httpx.AsyncClient, cursor: str):
        await assert_refused(api, "cursor", cursor=cursor)

    @bounded
    @given(cursor=st.text() | st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
    async def test_noise_is_refused(self, api: httpx.AsyncClient, cursor: str):
        await assert_refused(api, "cursor", cursor=cursor.encode(errors="replace"))

    @bounded
    @given(document=json_values, sort=st.sampled_from(SORTS), value=json_values, row_id=st.integers())
    async def test_well_formed_noise_never_fails(
        self, api: httpx.AsyncClient, document: Any, sort: str, value: Any, row_id: int
    ):
        for cursor in (encode(document), forge([value, row_id], sort=sort), forge([1, 1], **{"q": value})):
            assert (await api.get(URL, params={"cursor": cursor})).status_code in {200, 422}

    async def test_one_of_another_list(self, api: httpx.AsyncClient, session: AsyncSession):
        for _ in range(2):
            await create_order(session)
        page = (await api.get("/api/v1/orders?size=1")).json()
        await assert_refused(api, "cursor", cursor=page["next_cursor"])


class TestTotals:
    async def test_beyond_the_limit_is_an_estimate(
        self, api: httpx.AsyncClient, session: AsyncSession, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(pagination, "EXACT_UP_TO", 3)
        website = unique("site")
        await create_products(session, website, 3)
        exact = await fetch(api, source_website=website, size=1)
        assert (exact["total"], exact["total_is_estimate"], exact["pages"]) == (3, False, 3)
        await create_products(session, website, 2)
        estimate = await fetch(api, source_website=website, size=1)
        assert estimate["total"] >= 4
        assert (estimate["total_is_estimate"], estimate["pages"]) == (True, None)
        demanded = await fetch(api, source_website=website, size=1, count="exact")
        assert (demanded["total"], demanded["total_is_estimate"], demanded["pages"]) == (5, False, 5)

    async def test_every_filter_can_be_estimated(
        self, api: httpx.AsyncClient, session: AsyncSession, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(pagination, "EXACT_UP_TO", 0)
        user, mug = await create_user(session, name="Per % Cent"), await create_product(session)
        for _ in range(2):
            await create_order(session, user=user, lines=[(mug, 1)])
        filters: dict[str, Any] = {
            "status": ["pending", "shipped"],
            "user_id": user.id,
            "product_id": mug.id,
            "currency": "usd",
            "amount_min": "1.5",
            "placed_from": "2020-01-01",
            "q": "per cent",
        }
        answer = await api.get("/api/v1/orders", params={"size": 1, **filters})
        assert answer.status_code == 200
        assert answer.json()["total_is_estimate"] is True

    async def test_what_each_costs(self, api: httpx.AsyncClient, session: AsyncSession, statements: list[str]):
        website = unique("site")
        await create_products(session, website, 3)
        first = await fetch(api, source_website=website, size=1)
        cases: list[tuple[dict[str, Any], int | None, int]] = [
            ({"source_website": website, "size": 1}, 3, 2),
            ({"source_website": website, "size": 1, "count": "exact"}, 3, 2),
            ({"source_website": website, "size": 1, "count": "none"}, None, 1),
            ({"source_website": website}, 3, 1),  # a whole list counts itself
            ({"source_website": website, "size": 2, "page": 2}, 3, 1),  # so does its last page
            ({"source_website": website, "page": 9}, 3, 2),
            ({"cursor": first["next_cursor"]}, 3, 2),
            ({"cursor": first["next_cursor"], "count": "none"}, None, 1),
        ]
        for query, total, cost in cases:
            statements.clear()
            page = await fetch(api, **query)
            assert (page["total"], len(statements)) == (total, cost), query
            assert page["pages"] == (None if total is None else -(-total // page["size"]))
