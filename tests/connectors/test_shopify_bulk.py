"""First readings of a Shopify store: bulk operations, their files, and what there is without them."""

from datetime import timedelta
from typing import Any

import pytest

from app.connectors import shopify_bulk
from app.connectors.shopify_queries import KINDS
from fakestores import faults as broken
from fakestores.faults import Faults
from tests.connectors.shopify_double import Double, ids, orders_of, read, records, stock
from tests.sync.conftest import make_shop


class TestBulk:
    @pytest.mark.parametrize("order", ["grouped", "scattered"])
    async def test_all_there_is(self, order: Any):
        shop = make_shop()
        placed = stock(shop, orders=300)
        for order_ in placed:
            shop.edit_order(order_.id, add=[(1, 5), (1, 2), (1, 9)], shipping_total="60")
        tee = shop.add_product("Tee", "5.00", variations=[{"options": {"No": str(n)}} for n in range(35)])
        double = Double(shop, bulk_order=order, bulk_polls=3)
        async with double.open() as store:
            pages = await read(store, "orders", None)
            customers = await read(store, "customers", None)
            products = await read(store, "products", None)
            assert double.asked == 3 * (1 + 4)
            by_pages = orders_of(await read(store, "orders"))
        assert [page.size for page in pages] == [0, 250, 50]
        assert pages[-1].total == 300
        found = orders_of(pages)
        assert list(found) == [str(placed_order.id) for placed_order in placed]
        assert found == by_pages
        assert sum(page.size for page in customers) == 1
        children = {product: found for page in products for product, found in page.children.items()}
        assert len(children[str(tee.id)]) == 35
        assert {record.group_key for record in records(products)} == set(map(str, shop.products))

    async def test_children_far_from_their_parents(self, monkeypatch: pytest.MonkeyPatch):
        """All the lines of a file below all its orders, and some above."""
        shop = make_shop()
        stock(shop, orders=30, lines=4)
        double = Double(shop)

        def rearrange(content: bytes) -> bytes:
            lines = content.splitlines(keepends=True)
            children = [line for line in lines if b"__parentId" in line]
            return b"".join([*children[:7], *(line for line in lines if b"__parentId" not in line), *children[7:]])

        kept = double.store.bulk.read_file
        monkeypatch.setattr(type(double.store.bulk), "read_file", lambda _self, number: rearrange(kept(number)))
        async with double.open() as store:
            found = orders_of(await read(store, "orders", None))
        assert [len(order.lines) for order in found.values()] == [4] * 30

    async def test_of_nothing_there_is_no_file(self):
        double = Double(make_shop())
        async with double.open() as store:
            pages = await read(store, "orders", None)
        assert (ids(pages), len(pages)) == ([], 1)

    async def test_the_download_takes_no_credentials_along(self):
        shop = make_shop()
        stock(shop)
        double = Double(shop)
        async with double.open() as store:
            await read(store, "orders", None)
        (download,) = [request for request in double.transport.requests if request.url.path.startswith("/bulk/")]
        assert not {"x-shopify-access-token", "authorization", "cookie"} & set(download.headers)

    async def test_a_download_that_breaks_off_is_begun_anew(self):
        shop = make_shop()
        stock(shop, orders=60)
        plan = Faults(script=[broken.disconnect(), broken.truncated(), broken.error(503)], only="/bulk/")
        double = Double(shop, faults=plan)
        async with double.open() as store:
            assert len(orders_of(await read(store, "orders", None))) == 60
        assert sum(count for path, count in plan.requests.items() if path.startswith("/bulk/")) == 4

    async def test_it_goes_on_from_a_position(self):
        shop = make_shop()
        placed = stock(shop, orders=600)
        double = Double(shop)
        async with double.open() as store:
            first = []
            async for page in store.read("orders", None, None):
                first.append(page)
                if page.size:
                    break
        async with double.open() as store:
            rest = await read(store, "orders", None, first[-1].position)
        assert ids(first) + ids(rest) == [str(order.id) for order in placed]
        assert len(double.store.bulk.all) == 1

    async def test_a_killed_reading_waits_for_its_operation(self):
        shop = make_shop()
        placed = stock(shop, orders=5)
        double = Double(shop)
        async with double.open() as store:
            started = await anext(store.read("orders", None, None))
        shop.clock.advance(60)
        async with double.open() as store:
            pages = await read(store, "orders", None, started.position)
        assert sorted(ids(pages)) == sorted(str(order.id) for order in placed)
        assert pages[-1].at == started.at
        assert len(double.store.bulk.all) == 1

    async def test_a_result_that_has_expired(self):
        shop = make_shop()
        placed = stock(shop, orders=300)
        double = Double(shop)
        async with double.open() as store:
            first = [page async for page in store.read("orders", None, None)][1]
            shop.clock.advance(8 * 86400)
            late = shop.place_order([(1, 1)], email="late@example.com")
            pages = await read(store, "orders", None, first.position)
        assert {str(order.id) for order in placed} <= set(ids(pages)) <= {str(order.id) for order in [*placed, late]}
        assert len(double.store.bulk.all) == 1

    @pytest.mark.parametrize("code", ["TIMEOUT", "INTERNAL_SERVER_ERROR", "ACCESS_DENIED"])
    async def test_a_failed_one_is_read_in_pages(self, code: str):
        shop = make_shop()
        placed = stock(shop, orders=20)
        double = Double(shop, bulk_failures=[code])
        async with double.open() as store:
            pages = await read(store, "orders", None)
        assert ids(pages) == [str(order.id) for order in placed]
        assert pages[-1].total == 20

    async def test_another_ones_operation_is_not_waited_for(self):
        shop = make_shop()
        placed = stock(shop, orders=20)
        double = Double(shop, bulk_polls=10**6)
        double.store.bulk.start("{ products { edges { node { id } } } }", False, 5)
        async with double.open(api_version="2025-10") as store:
            pages = await read(store, "orders", None)
        assert ids(pages) == [str(order.id) for order in placed]

    async def test_ones_own_is_gone_on_with(self):
        shop = make_shop()
        placed = stock(shop, orders=20)
        double = Double(shop, bulk_polls=3)
        double.store.bulk.start(KINDS["orders"].list_in_bulk(), False, 1)
        async with double.open(api_version="2025-10") as store:
            pages = await read(store, "orders", None)
        assert ids(pages) == [str(order.id) for order in placed]
        assert [page.size for page in pages] == [0, 20]

    @pytest.mark.parametrize("limit", ["LONGEST", "LONGEST_STILL"])
    async def test_one_that_takes_too_long_is_cancelled(self, monkeypatch: pytest.MonkeyPatch, limit: str):
        monkeypatch.setattr(shopify_bulk, limit, timedelta(minutes=5))
        shop = make_shop()
        placed = stock(shop, orders=20)

        def advance(_: Any) -> None:
            shop.clock.advance(30)

        plan = Faults(on_request=advance)
        double = Double(shop, bulk_polls=10**6, faults=plan)
        async with double.open() as store:
            pages = await read(store, "orders", None)
        assert {str(order.id) for order in placed} == set(ids(pages))
        (operation,) = double.store.bulk.all.values()
        assert operation.status in {"CANCELING", "CANCELED"}

    async def test_a_file_that_cannot_be_had(self):
        shop = make_shop()
        placed = stock(shop, orders=20)
        plan = Faults(script=[broken.error(503)] * 40, only="/bulk/")
        async with Double(shop, faults=plan).open() as store:
            pages = await read(store, "orders", None)
        assert ids(pages) == [str(order.id) for order in placed]

    async def test_a_file_larger_than_any_that_is_taken(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(shopify_bulk, "MOST_BYTES", 20_000)
        shop = make_shop()
        placed = stock(shop, orders=60)
        async with Double(shop).open() as store:
            pages = await read(store, "orders", None)
        assert len(ids(pages)) == len(placed)  # page by page
