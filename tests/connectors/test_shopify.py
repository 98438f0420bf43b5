"""The Shopify connector against a fake store: pages, points, tokens, bulk operations, and what it says of failures."""

import asyncio
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx
import pytest

from app.connectors import shopify as connector
from app.connectors.base import Page, Resource
from app.connectors.client import HttpOptions, Patience
from app.connectors.errors import StoreConfused, StoreRefused, StoreUnavailable
from app.connectors.shopify import Shopify, open_shopify
from app.ingest.formats import shopify_graphql
from app.ingest.records import ProductRecord
from fakestores import faults as broken
from fakestores.faults import Faults
from fakestores.shopify import Bucket
from tests.connectors.shopify_double import (
    ADDRESS,
    CLIENT,
    LONG_AGO,
    TOKEN,
    Double,
    ids,
    orders_of,
    read,
    records,
    stock,
)
from tests.sync.conftest import IMPATIENT, make_shop


class TestDescribing:
    async def test_what_the_shop_is(self):
        async with Double(make_shop()).open() as store:
            told = await store.describe()
        assert (told.name, told.currency, told.time_zone, told.version) == ("Rise", "BDT", "Asia/Dhaka", "2026-01")
        assert told.traits == {}

    async def test_a_missing_scope_is_named(self):
        async with Double(make_shop(), scopes=["read_products", "read_all_orders"]).open() as store:
            with pytest.raises(StoreRefused, match="the scopes read_customers, read_orders") as error:
                await store.describe()
            assert "read_all_orders" in str(error.value)
            with pytest.raises(StoreRefused, match="read_orders"):
                await read(store, "orders")

    async def test_sixty_days_of_orders_are_noted(self):
        double = Double(make_shop(), scopes=["read_orders", "read_products", "read_customers"])
        async with double.open() as store:
            assert (await store.describe()).traits == {"recent_orders_only": True}

    async def test_personal_data_that_is_kept_back(self):
        shop = make_shop()
        stock(shop)
        async with Double(shop, hides_personal_data=True).open() as store:
            assert (await store.describe()).traits == {"hides_personal_data": True}
            found = orders_of(await read(store, "orders"))
        assert len(found) == 3
        assert {order.consumer.email for order in found.values()} == {None}

    async def test_an_unknown_version(self):
        async with Double(make_shop()).open(api_version="2031-01") as store:
            with pytest.raises(StoreConfused, match=r"no Admin API 2031-01"):
                await store.describe()

    async def test_an_older_version_is_asked_where_it_is_set(self):
        double = Double(make_shop())
        async with double.open(api_version="2025-10") as store:
            assert (await store.describe()).version == "2025-10"
        assert set(double.faults.requests) == {"/admin/api/2025-10/graphql.json"}


class TestTokens:
    async def test_a_refused_token_says_what_to_do(self):
        async with Double(make_shop()).open({"access_token": "shpat_wrong"}) as store:
            with pytest.raises(StoreRefused, match="does not accept the access token") as error:
                await store.describe()
        assert "shpat_wrong" not in str(error.value)

    async def test_client_credentials(self):
        double = Double(make_shop(), token=None)
        async with double.open(CLIENT) as store:
            await store.describe()
            await store.describe()
        assert double.faults.requests["/admin/oauth/access_token"] == 1

    async def test_a_token_that_has_ended_is_replaced_once(self):
        shop = make_shop()
        stock(shop)
        double = Double(shop, token=None)
        async with double.open(CLIENT) as store:
            await store.describe()
            shop.clock.advance(2 * 86400)
            assert len(ids(await read(store, "orders"))) == 3
            double.store.is_installed = False
            with pytest.raises(StoreRefused):
                await read(store, "orders")
        assert double.faults.requests["/admin/oauth/access_token"] == 3

    async def test_one_that_is_near_its_end_is_replaced_before(self):
        double = Double(make_shop(), token=None)
        async with double.open(CLIENT) as store:
            await store.describe()
            assert store.admin._token is not None
            store.admin._token.ends_at = time.monotonic() + 60
            await store.describe()
        assert double.faults.requests["/admin/oauth/access_token"] == 2

    async def test_a_wrong_secret(self):
        async with Double(make_shop(), token=None).open(CLIENT | {"client_secret": "no secret of its"}) as store:
            with pytest.raises(StoreRefused, match="gives no token") as error:
                await store.describe()
        assert "no secret of its" not in str(error.value)


class TestPages:
    async def test_all_are_read_in_order_of_change(self):
        shop = make_shop()
        placed = stock(shop, orders=40)
        double = Double(shop)
        async with double.open() as store:
            pages = await read(store, "orders")
        assert ids(pages) == [str(order.id) for order in placed]
        assert [page.size for page in pages] == [15, 15, 10]
        assert double.asked == 3

    async def test_only_what_has_changed_since(self):
        shop = make_shop()
        placed = stock(shop, orders=20)
        async with Double(shop).open() as store:
            pages = await read(store, "orders", since=placed[-2].modified_at)
        assert ids(pages) == [str(order.id) for order in placed[-2:]]

    async def test_what_changes_meanwhile_is_left_to_the_next_reading(self):
        shop = make_shop()
        placed = stock(shop, orders=40)
        shop.clock.advance(60)
        seen = 0

        def meddle(_: Any) -> None:
            nonlocal seen
            seen += 1
            shop.clock.advance(1)
            for order in placed[(seen * 3) % 20 : (seen * 3) % 20 + 20]:
                shop.edit_order(order.id, note=f"edit {seen}", silent=False)

        plan = Faults(on_request=meddle)
        async with Double(shop, faults=plan).open() as store:
            pages = await read(store, "orders")
            assert len(pages) < 5
            plan.on_request = None
            pages += await read(store, "orders", since=pages[0].at)
        assert set(ids(pages)) == {str(order.id) for order in placed}
        assert {record.updated_at for record in orders_of(pages).values()} == {o.modified_at for o in placed}

    async def test_it_goes_on_from_a_position(self):
        shop = make_shop()
        placed = stock(shop, orders=40)
        async with Double(shop).open() as store:
            first = await anext(store.read("orders", LONG_AGO, None))
            rest = await read(store, "orders", position=first.position)
        # The second of the last one is read once more.
        assert ids([first]) + ids(rest)[1:] == [str(order.id) for order in placed]

    async def test_a_long_list_is_begun_anew_on_the_way(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(connector, "FAR", 30)
        shop = make_shop()
        placed = stock(shop, orders=100)
        double = Double(shop)
        async with double.open() as store:
            pages = await read(store, "orders")
            assert set(ids(pages)) == {str(order.id) for order in placed}
            listed = [each.external_id async for page in store.sweep("orders", None) for each in page.records]
        assert listed == [str(order.id) for order in placed]

    async def test_nested_ones_are_drained(self):
        shop = make_shop()
        (long,) = stock(shop, orders=1, lines=230)
        short = shop.place_order([(1, 2)], email="jane@example.com", shipping_total="60")
        tee = shop.add_product("Tee", "5.00", variations=[{"options": {"No": str(n)}} for n in range(35)])
        async with Double(shop).open() as store:
            orders = orders_of(await read(store, "orders"))
            pages = await read(store, "products")
        assert len(orders[str(long.id)].lines) == 230
        assert orders[str(long.id)].total_amount == long.total
        assert len(orders[str(short.id)].lines) == 1
        variants = [record for record in records(pages) if record.group_key == str(tee.id)]
        assert len(variants) == 35
        children = {product: found for page in pages for product, found in page.children.items()}
        assert children[str(tee.id)] == [variation_id for variation_id in map(str, shop.variations) if
                                         shop.variations[int(variation_id)].product_id == tee.id]  # fmt: skip

    async def test_one_that_is_gone_before_it_is_whole_is_left_out(self):
        shop = make_shop()
        gone, kept = stock(shop, orders=2, lines=8)

        def delete(seen: Any) -> None:
            if seen.number == 2:
                shop.force_delete_order(gone.id)

        async with Double(shop, faults=Faults(on_request=delete)).open() as store:
            pages = await read(store, "orders")
        assert ids(pages) == [str(kept.id)]

    async def test_pages_shrink_where_a_query_is_too_costly(self):
        shop = make_shop()
        placed = stock(shop, orders=12)
        double = Double(shop, most_query_cost=300)
        async with double.open() as store:
            pages = await read(store, "orders")
            assert set(ids(pages)) == {str(order.id) for order in placed}
            (size,) = store.traits["pages"].values()
            assert 1 <= size < 6
            found = await store.read_again("orders", [str(order.id) for order in placed])
        assert len(found.raws) == 12

    async def test_a_query_that_is_too_costly_however_small(self):
        shop = make_shop()
        stock(shop)
        async with Double(shop, most_query_cost=30).open() as store:
            with pytest.raises(StoreConfused, match="too large"):
                await read(store, "orders")

    async def test_a_filter_that_is_not_understood_is_no_answer(self):
        shop = make_shop()
        stock(shop)
        double = Double(shop)
        async with double.open() as store:
            with pytest.raises(StoreConfused, match="what to look for"):
                await store.admin.ask('{ orders(first: 1, query: "shoe_size:9") { nodes { id } } }')

    async def test_hosts_failures_are_borne(self):
        shop = make_shop()
        placed = stock(shop, orders=40)
        plan = Faults(script=[broken.error(502), None, broken.truncated(), broken.disconnect()])
        async with Double(shop, faults=plan).open() as store:
            assert len(ids(await read(store, "orders"))) == len(placed)
            assert store.requests == 6

    async def test_a_dead_store(self):
        plan = Faults(script=[broken.error(503)] * 40)
        async with Double(make_shop(), faults=plan).open() as store:
            with pytest.raises(StoreUnavailable, match="503"):
                await read(store, "orders")


class TestPoints:
    async def test_throttling_is_waited_for_and_never_met_twice_in_a_row(self):
        shop = make_shop()
        stock(shop, orders=60)
        bucket = Bucket(size=1_000, restore_rate=4_000)
        bucket.spend(990)  # somebody else has just been here
        double = Double(shop, bucket=bucket)
        async with double.open(patience=Patience(wait_initial=0.001, wait_max=0.002, wait_jitter=0.001)) as store:
            await store.admin.ask("{ shop { name } }", cost=1.0)
            # What the store told is forgotten, as by a process that knows nothing of the others.
            store.admin.bucket.correct(1_000, rate=4_000, size=1_000)
            assert len(ids(await read(store, "orders"))) == 60
        refused = double.transport.throttled
        assert sum(refused) == 1

    async def test_readers_of_one_store_share_its_points(self):
        shop = make_shop()
        stock(shop, orders=45)
        for number in range(170):
            shop.add_customer(f"c{number}@example.com", "C", str(number))
        double = Double(shop, bucket=Bucket(size=1_000, restore_rate=4_000))

        async def follow(resource: Resource) -> int:
            async with double.open() as store:
                return len(ids(await read(store, resource)))

        found = await asyncio.gather(follow("orders"), follow("customers"), follow("orders"))
        assert list(found) == [45, 171, 45]
        assert sum(double.transport.throttled) == 0

    async def test_a_store_that_fails_within(self):
        answers = [
            {"errors": [{"message": "Internal error", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}]},
            {"data": {"shop": {"name": "Rise"}}},
        ]
        transport = httpx.MockTransport(lambda _: httpx.Response(200, json=answers.pop(0)))
        async with open_shopify(ADDRESS, TOKEN, {}, HttpOptions(patience=IMPATIENT), transport=transport) as store:
            assert (await store.admin.ask("{ shop { name } }")).data == {"shop": {"name": "Rise"}}

    async def test_one_record_that_the_store_cannot_give_keeps_no_other_away(self):
        shop = make_shop()
        placed = stock(shop, orders=6)
        double = Double(shop)
        bad = f'"gid://shopify/Order/{placed[3].id}"'.encode()
        failing = {"errors": [{"message": "Internal error", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}]}

        class Failing(httpx.AsyncBaseTransport):
            async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
                if bad in await request.aread():
                    return httpx.Response(200, json=failing)
                return await double.transport.handle_async_request(request)

        async with open_shopify(ADDRESS, TOKEN, {}, HttpOptions(patience=IMPATIENT), transport=Failing()) as store:
            found = await store.read_again("orders", [str(order.id) for order in placed])
        assert found.failed.keys() == {str(placed[3].id)}
        assert (len(found.raws), found.gone) == (5, [])


class TestReadingAgain:
    async def test_orders_and_customers(self):
        shop = make_shop()
        kept, gone = stock(shop, orders=2, lines=8)
        shop.force_delete_order(gone.id)
        async with Double(shop).open() as store:
            found = await store.read_again("orders", [str(gone.id), str(kept.id), "no id"])
            assert found.gone == [str(gone.id), "no id"]
            assert [len(shopify_graphql._connected(raw.payload, "lineItems")) for raw in found.raws] == [8]
            people = await store.read_again("customers", ["1", "99"])
        assert ([raw.kind for raw in people.raws], people.gone) == (["customer"], ["99"])

    async def test_products_by_their_ids_and_by_those_of_their_variants(self):
        shop = make_shop()
        stock(shop)
        small, large = shop.variations
        shirt = shop.variations[small].product_id
        double = Double(shop)
        async with double.open() as store:
            found = await store.read_again("products", [str(small), str(large), "12345"])
            assert found.gone == ["12345"]
            assert found.children == {str(shirt): [str(small), str(large)]}
            assert {record.key for record in records([Page(found.raws, {}, shop.now())])} == {str(small), str(large)}
            shop.delete_variation(small)
            found = await store.read_again("products", [str(small)])
            assert (found.raws, found.gone) == ([], [str(small)])
            found = await store.read_again("products", [str(shirt)])
            assert found.children == {str(shirt): [str(large)]}
            shop.delete_product(shirt)
            assert (await store.read_again("products", [str(shirt)])).gone == [str(shirt)]

    async def test_what_is_hidden_by_its_age_is_not_gone(self):
        """Without the scope for all orders nobody can tell an old order from one that was deleted."""
        shop = make_shop()
        (old,) = stock(shop, orders=1)
        shop.clock.advance(90 * 86400)
        recent, deleted, newest = (shop.place_order([(1, 1)], email="a@example.com") for _ in range(3))
        shop.force_delete_order(deleted.id)
        ids_ = [str(each.id) for each in (old, recent, deleted, newest)]
        everything = Double(shop)
        async with everything.open() as store:
            assert (await store.read_again("orders", ids_)).gone == [str(deleted.id)]
        hiding = Double(shop, scopes=["read_orders", "read_customers", "read_products"])

        class Hiding(httpx.AsyncBaseTransport):
            """The double's nodes know no age."""

            async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
                body = (await request.aread()).replace(b"Order/%d" % old.id, b"Order/9999999")
                return await hiding.transport.handle_async_request(
                    httpx.Request("POST", request.url, headers={**request.headers, "content-length": str(len(body))},
                                  content=body)
                )  # fmt: skip

        async with open_shopify(ADDRESS, TOKEN, {}, HttpOptions(patience=IMPATIENT), transport=Hiding()) as store:
            assert (await store.read_again("orders", ids_)).gone == [str(deleted.id)]
            asked = hiding.asked
            assert (await store.read_again("orders", [str(old.id)])).gone == []
            assert hiding.asked == asked


class TestSweeping:
    async def test_what_is_listed_is_what_is_kept(self):
        shop = make_shop()
        refunded, cancelled, done, *_ = stock(shop, orders=200)
        shop.refund_order(refunded.id, "5.00")
        shop.set_order_status(cancelled.id, "cancelled")
        shop.set_order_status(done.id, "completed")
        double = Double(shop)
        async with double.open() as store:
            listed = [each async for page in store.sweep("orders", None) for each in page.records]
            kept = orders_of(await read(store, "orders"))
        assert double.asked == 2 + 14
        for each in listed:
            order = kept[each.external_id]
            refunds = sum((refund.amount for refund in order.refunds), Decimal(0))
            assert (each.status, each.currency, each.total, each.placed_at, each.refunded) == (
                order.source_status, order.currency, order.total_amount, order.placed_at, refunds,
            )  # fmt: skip
        assert len(listed) == len(kept) == 200
        assert {each.status for each in listed} >= {"paid", "paid, fulfilled", "cancelled, paid", "partially_refunded"}

    async def test_variants_stand_for_products(self):
        shop = make_shop()
        stock(shop)
        async with Double(shop).open() as store:
            listed = [each.external_id async for page in store.sweep("products", None) for each in page.records]
            products = records(await read(store, "products"))
        assert sorted(listed) == sorted(record.key for record in products)
        assert {type(record) for record in products} == {ProductRecord}

    async def test_it_goes_on_from_a_position(self):
        shop = make_shop()
        placed = stock(shop, orders=200)
        async with Double(shop).open() as store:
            first = await anext(store.sweep("orders", None))
            rest = [each.external_id async for page in store.sweep("orders", first.position) for each in page.records]
        assert [each.external_id for each in first.records] + rest == [str(order.id) for order in placed]


def test_it_is_a_connector() -> None:
    from app.connectors.base import Connector

    def take(_: Callable[..., Connector]) -> None: ...

    take(Shopify)
