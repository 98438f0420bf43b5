"""Runs over a store: all of it at first, then what has changed, whatever happens meanwhile."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.ingest.models import Import
from app.sync import runs, service
from app.sync.runs import OVERLAP
from app.websites.schemas import WebsiteUpdate
from app.websites.service import update_website
from fakestores import faults as broken
from fakestores.faults import Faults
from fakestores.shop import Shop
from tests.ingest.conftest import snapshot
from tests.sync.conftest import BEGINNING, Follow, Followed, make_shop

BUSINESS = ("users", "user_addresses", "products", "orders", "order_details", "source_records")


def stock(shop: Shop, orders: int = 3) -> list[Any]:
    """A few products and customers, and orders of them a minute apart."""
    mug = shop.add_product("Enamel mug", "12.50", sku="MUG", stock=4000)
    shop.add_product(
        "Shirt",
        "20.00",
        variations=[
            {"options": {"Size": "S"}, "price": "20.00", "sku": "SHIRT-S"},
            {"options": {"Size": "L"}, "price": "21.00", "sku": "SHIRT-L"},
        ],
    )
    jane = shop.add_customer("jane@example.com", "Jane", "Doe")
    placed = []
    for number in range(orders):
        shop.clock.advance(60)
        by: dict[str, Any] = {"customer": jane} if number % 2 == 0 else {"email": f"guest{number}@example.com"}
        placed.append(shop.place_order([(mug.id, 1 + number % 3)], **by))
    return placed


async def totals(query: Any) -> tuple[int, Decimal]:
    (row,) = await query("SELECT count(*) AS n, coalesce(sum(total_amount), 0) AS total FROM orders")
    return row["n"], row["total"]


def in_store(shop: Shop) -> tuple[int, Decimal]:
    return len(shop.live_orders()), sum((order.total for order in shop.live_orders()), Decimal(0))


def succeeded(reports: dict[str, Import]) -> None:
    assert {name: (each.status, each.error) for name, each in reports.items()} == dict.fromkeys(
        reports, ("succeeded", None)
    )


class TestFirst:
    async def test_everything_is_read(self, follow: Follow, query: Any):
        shop = make_shop()
        stock(shop, orders=250)
        rise = await follow(shop)

        reports = await rise.run()

        succeeded(reports)
        assert await totals(query) == in_store(shop)
        assert [row["product_name"] for row in await query("SELECT product_name FROM products ORDER BY id")] == [
            "Enamel mug", "Shirt", "Shirt - S", "Shirt - L",
        ]  # fmt: skip
        website = await rise.get_website()
        assert (website.currency, website.time_zone) == ("BDT", "Asia/Dhaka")
        assert reports["orders"].details["sync"]["expected"] == 250

    async def test_an_empty_store(self, follow: Follow):
        shop = make_shop()
        rise = await follow(shop)

        succeeded(await rise.run())

        rise.faults.requests.clear()
        succeeded(await rise.run("changes", "orders"))
        assert rise.faults.requests.total() == 1

    async def test_newest_orders_come_first(self, follow: Follow, query: Any):
        """Windows of a store's years: the last month is here before the first."""
        shop = make_shop()
        mug = shop.add_product("Mug", "1.00", sku="MUG")
        for _ in range(6):
            shop.place_order([(mug.id, 1)], email="old@example.com")
            shop.clock.advance(60 * 86400)
        rise = await follow(shop, batch_size=1)

        succeeded(await rise.run("changes", "orders"))

        placed = [row["placed_at"] for row in await query("SELECT placed_at FROM orders ORDER BY id")]
        assert len(placed) == 6
        assert placed[0] == max(placed)
        assert placed[:2] > placed[-2:]


class TestChanges:
    async def test_a_quiet_store_costs_three_requests_and_writes_nothing(self, follow: Follow, session: AsyncSession):
        shop = make_shop()
        stock(shop)
        rise = await follow(shop)
        await rise.run()
        shop.clock.advance(3600)
        await rise.run()
        before = await snapshot(session, *BUSINESS)
        rise.faults.requests.clear()
        shop.clock.advance(3600)

        reports = await rise.run()

        succeeded(reports)
        assert rise.faults.requests == {
            "/wp-json/wc/v3/customers": 1, "/wp-json/wc/v3/products": 1, "/wp-json/wc/v3/orders": 1,
        }  # fmt: skip
        assert await snapshot(session, *BUSINESS) == before

    async def test_changes_are_found_and_the_cursor_moves(self, follow: Follow, query: Any):
        shop = make_shop()
        first, *_ = stock(shop)
        rise = await follow(shop)
        await rise.run()
        shop.clock.advance(3600)
        shop.set_order_status(first.id, "completed")
        shop.place_order([(1, 2)], email="new@example.com")

        reports = await rise.run()

        orders = reports["orders"]
        assert (orders.records_created, orders.records_updated) == (1, 1)
        assert await totals(query) == in_store(shop)
        (row,) = await query("SELECT status FROM orders WHERE order_number = :number", number=str(first.id))
        assert row["status"] == "delivered"

    async def test_an_edited_orders_removed_line_disappears(self, follow: Follow, query: Any):
        shop = make_shop()
        mug, cup = shop.add_product("Mug", "12.50", sku="MUG"), shop.add_product("Cup", "3.00", sku="CUP")
        order = shop.place_order([(mug.id, 1), (cup.id, 2)], email="jane@example.com")
        rise = await follow(shop, storage="hpos")
        await rise.run()
        shop.clock.advance(3600)

        shop.remove_line(order.id, order.lines[0].id, silent=False)
        await rise.run()

        lines = await query("SELECT p.sku, d.quantity FROM order_details d JOIN products p ON p.id = d.product_id")
        assert [(row["sku"], row["quantity"]) for row in lines] == [("CUP", 2)]
        assert await totals(query) == in_store(shop)

    async def test_an_order_that_was_only_looked_at_is_not_written(self, follow: Follow, session: AsyncSession):
        shop = make_shop()
        order, *_ = stock(shop)
        rise = await follow(shop, storage="hpos")
        await rise.run()
        shop.clock.advance(3600)
        await rise.run()
        shop.clock.advance(3600)
        before = await snapshot(session, "orders", "order_details", "users", "products")

        shop.view_order(order.id)
        reports = await rise.run("changes", "orders")

        assert reports["orders"].records_read == 1
        assert await snapshot(session, "orders", "order_details", "users", "products") == before

    async def test_a_new_customer_is_found_without_reading_all(self, follow: Follow, query: Any):
        shop = make_shop()
        stock(shop)
        for number in range(150):
            shop.add_customer(f"c{number}@example.com", "C", str(number))
        shop.clock.advance(10 * 86400)
        rise = await follow(shop)
        await rise.run("changes", "customers")
        rise.faults.requests.clear()
        shop.clock.advance(86400)
        shop.add_customer("late@example.com", "Late", "Comer")

        await rise.run("changes", "customers")

        assert rise.faults.requests.total() == 1
        assert await query("SELECT 1 FROM users WHERE email = 'late@example.com'")

    async def test_a_variable_product_brings_its_variations(self, follow: Follow, query: Any):
        shop = make_shop()
        stock(shop)
        rise = await follow(shop)
        await rise.run()
        shop.clock.advance(3600)
        small = next(iter(shop.variations.values()))
        shop.update_variation(small.id, price=Decimal("25.00"))

        await rise.run("changes", "products")

        (row,) = await query("SELECT price FROM products WHERE sku = 'SHIRT-S'")
        assert row["price"] == Decimal("25.00")

    async def test_a_deleted_variation_is_inactive(self, follow: Follow, query: Any):
        shop = make_shop()
        stock(shop)
        rise = await follow(shop)
        await rise.run()
        shop.clock.advance(3600)
        small = next(iter(shop.variations.values()))
        shop.delete_variation(small.id)
        shop.update_product(small.product_id, name="Shirt, large only")

        await rise.run("changes", "products")

        rows = await query("SELECT sku, is_active FROM products WHERE sku LIKE 'SHIRT-_' ORDER BY sku")
        assert [(row["sku"], row["is_active"]) for row in rows] == [("SHIRT-L", True), ("SHIRT-S", False)]

    async def test_everything_can_be_read_anew(self, follow: Follow):
        shop = make_shop()
        stock(shop, orders=120)
        rise = await follow(shop)
        await rise.run()
        shop.clock.advance(3600)

        reports = await rise.run("everything")

        assert (reports["orders"].records_read, reports["orders"].records_unchanged) == (120, 120)


class TestWhileWeRead:
    """Rows come, go and change between two pages, and none is passed over."""

    @pytest.mark.parametrize("seed", range(8))
    async def test_a_busy_store(self, follow: Follow, query: Any, seed: int):
        from random import Random

        random = Random(seed)
        shop = make_shop()
        stock(shop, orders=420)

        def meddle(seen: Any) -> None:
            if not seen.path.endswith("/orders") or len(shop.live_orders()) < 300:
                return
            shop.clock.advance(1)
            live = [order.id for order in shop.live_orders()]
            match random.randrange(4):
                case 0:
                    for order_id in random.sample(live[:150], 12):
                        shop.trash_order(order_id)
                case 1:
                    shop.set_order_status(random.choice(live), "completed")
                case 2:
                    shop.place_order([(1, 2)], email=f"{random.random()}@example.com")
                case 3:
                    shop.force_delete_order(random.choice(live[:100]))

        rise = await follow(shop, faults=Faults(on_request=meddle))
        succeeded(await rise.run())
        # Everything that is there at the end, though not all that has gone meanwhile: that is for a sweep to find.
        rise.faults.on_request = None
        shop.clock.advance(60)
        succeeded(await rise.run())
        held = {row["order_number"] for row in await query("SELECT order_number FROM orders")}
        assert {str(order.id) for order in shop.live_orders()} <= held

        succeeded(await rise.run("sweep"))
        rows = await query("SELECT order_number FROM orders WHERE source_status NOT IN ('trash', 'deleted')")
        assert {row["order_number"] for row in rows} == {str(order.id) for order in shop.live_orders()}

    async def test_a_store_that_gives_one_page_for_all(self, follow: Follow):
        shop = make_shop()
        stock(shop, orders=250)
        rise = await follow(shop, ignores_paging=True)

        reports = await rise.run("changes", "orders")

        assert reports["orders"].status == "failed"
        assert "the same page" in str(reports["orders"].error)


class TestFaults:
    async def test_a_host_that_fails_now_and_then(self, follow: Follow, query: Any):
        shop = make_shop()
        stock(shop, orders=600)
        rise = await follow(shop, faults=Faults(seed=3, rate=0.4, retry_after="0"))

        succeeded(await rise.run())

        assert rise.faults.injected.total() > 3
        assert await totals(query) == in_store(shop)

    async def test_a_dead_store_says_so_and_goes_on_later(self, follow: Follow, query: Any):
        shop = make_shop()
        stock(shop, orders=350)
        rise = await follow(shop, batch_size=100)
        await rise.run("changes", "products", "customers")
        # The first windows' pages come, then nothing.
        rise.faults.only = "/orders$"
        rise.faults.plan(None, None, None, *[broken.error(503)] * 60)

        failed = (await rise.run("changes", "orders"))["orders"]

        assert failed.status == "failed"
        assert "503 Service Unavailable" in str(failed.error)
        some, _ = await totals(query)
        assert 0 < some < 350
        rise.faults._planned.clear()
        going_on = (await rise.run("changes", "orders"))["orders"]
        succeeded({"orders": going_on})
        assert going_on.records_read < 350
        assert await totals(query) == in_store(shop)

    async def test_wrong_totals_lose_nothing(self, follow: Follow, query: Any):
        shop = make_shop()
        stock(shop, orders=250)
        rise = await follow(shop, faults=Faults(rate=1.0, kinds=("wrong_total",), most_in_a_row=10**6))

        succeeded(await rise.run())

        assert await totals(query) == in_store(shop)

    async def test_another_stores_run_is_not_held_up(self, follow: Follow, query: Any):
        """Runs wait on the network, and not on each other: while one store hangs, another is read."""
        import asyncio

        slow_shop, quick_shop = make_shop(), make_shop()
        stock(slow_shop)
        stock(quick_shop)
        hanging = asyncio.Event()

        async def hang(_: Any) -> None:
            await hanging.wait()

        slow = await follow(slow_shop, website="slow", faults=Faults(on_request=hang))
        quick = await follow(quick_shop, website="quick")
        waiting = asyncio.create_task(slow.run("changes", "products"))
        await asyncio.sleep(0.05)

        succeeded(await quick.run())

        assert not waiting.done()
        hanging.set()
        succeeded(await waiting)

    @pytest.mark.parametrize(
        ("behaviour", "says"),
        [
            ({"drops_authorization": True}, "refuses the consumer key"),
            ({"keys_given": {"consumer_key": "ck_test_key", "consumer_secret": "cs_of_another"}}, "not the secret"),
            ({"keys_given": {"consumer_key": "ck_of_nobody", "consumer_secret": "cs_test_secret"}}, "refuses the"),
        ],
    )
    async def test_a_refused_key(self, follow: Follow, behaviour: dict[str, Any], says: str):
        shop = make_shop()
        stock(shop)
        given = behaviour.pop("keys_given", None)
        rise = await follow(shop, **behaviour)
        if given:
            await change_keys(rise, given)
        if "drops_authorization" in behaviour:
            # A host that drops the header takes the keys in the query, so that this one is read after all.
            succeeded(await rise.run("changes", "orders"))
            assert (await rise.get_website()).traits["auth"] == "query"
            return

        report = (await rise.run("changes", "orders"))["orders"]

        assert report.status == "failed"
        assert says in str(report.error)
        assert "cs_" not in str(report.error)
        assert "ck_" not in str(report.error)

    async def test_a_record_that_cannot_be_taken_stops_nobody(self, follow: Follow, query: Any):
        shop = make_shop()
        stock(shop)
        shop.clock.advance(60)
        bad = shop.place_order([(1, 1)], email="x@example.com")
        bad.currency = "not a currency"
        rise = await follow(shop)

        orders = (await rise.run())["orders"]

        assert (orders.status, orders.records_rejected, orders.records_created) == ("succeeded", 1, 3)
        (reject,) = await query("SELECT place, kind, reason FROM import_rejects")
        assert (reject["place"], reject["kind"]) == (f"order {bad.id}", "order")


async def change_keys(rise: Followed, keys: dict[str, str]) -> None:
    from app.websites.schemas import CredentialsUpdate
    from app.websites.service import rotate_credentials

    async with rise.context.database.sessions.begin() as session:
        update = CredentialsUpdate.model_validate({"credentials": keys})
        await rotate_credentials(session, rise.context.vault, rise.website, update)


class TestRunsOfOneResource:
    async def test_one_at_a_time(self, follow: Follow):
        rise = await follow(make_shop())
        async with rise.context.database.sessions.begin() as session:
            first = await service.start_runs(session, "rise", "changes", ("orders",))
            again = await service.start_runs(session, "rise", "changes", ("orders",))
        assert [(job.id, is_new) for job, is_new in again] == [(first[0][0].id, False)]

    async def test_a_cancelled_run_stops_and_the_next_goes_on(self, follow: Follow, query: Any):
        from app.ingest.loader import merging
        from app.ingest.service import cancel_import

        shop = make_shop()
        stock(shop, orders=350)
        rise = await follow(shop, batch_size=100)
        async with rise.context.database.sessions.begin() as session:
            ((job, _),) = await service.start_runs(session, "rise", "changes", ("orders",))
        pages = 0

        async def cancel(seen: Any) -> None:
            nonlocal pages
            pages += seen.path.endswith("/orders") and "offset" in seen.query
            if pages == 4:
                # In its turn: on this database all sessions share one connection.
                async with merging(rise.context.database) as session:
                    await cancel_import(session, job.id)

        rise.faults.on_request = cancel
        await runs.run(rise.context, job.id)
        some, _ = await totals(query)
        assert some < 350
        rise.faults.on_request = None

        succeeded(await rise.run())

        assert await totals(query) == in_store(shop)

    async def test_the_overlap_is_read_again(self, follow: Follow):
        """Stores date a change before others can see it: what is a little older than the cursor is read once more."""
        shop = make_shop()
        stock(shop)
        rise = await follow(shop)
        await rise.run()
        shop.clock.advance(OVERLAP.total_seconds() / 2)

        orders = (await rise.run("changes", "orders"))["orders"]

        assert (orders.records_read, orders.records_unchanged) == (3, 3)
        shop.clock.advance((OVERLAP * 2 + timedelta(minutes=1)).total_seconds())
        await rise.run("changes", "orders")
        shop.clock.advance((OVERLAP * 2).total_seconds())
        assert (await rise.run("changes", "orders"))["orders"].records_read == 0


class TestAnotherAddress:
    @staticmethod
    async def move(rise: Followed, base_url: str) -> None:
        async with rise.context.database.sessions.begin() as session:
            await update_website(session, rise.website, WebsiteUpdate.model_validate({"base_url": base_url}))

    @staticmethod
    async def follow_with_a_hidden_order(follow: Follow) -> Followed:
        """The store has an order that lies before the cursor, as one that was moved to another host may have."""
        shop = make_shop()
        stock(shop)
        rise = await follow(shop)
        shop.clock.advance(86400)
        await rise.run()
        await rise.run("sweep")
        hidden = shop.place_order([(1, 1)], email="hidden@example.com")
        hidden.created_at = hidden.modified_at = BEGINNING
        return rise

    async def test_everything_is_read_anew(self, follow: Follow, query: Any):
        rise = await self.follow_with_a_hidden_order(follow)
        succeeded(await rise.run())
        assert await totals(query) != in_store(rise.shop)
        await self.move(rise, "https://new.rise.example")

        orders = (await rise.run())["orders"]

        assert (orders.records_read, orders.records_created, orders.records_unchanged) == (4, 1, 3)
        assert await totals(query) == in_store(rise.shop)
        async with rise.context.database.reads() as session:
            states = await service.list_states(session, rise.website)
        assert {state.swept_at for state in states} == {None}
        # And from there on what has changed.
        rise.shop.clock.advance(86400)
        assert (await rise.run())["orders"].records_read == 0

    async def test_a_run_that_had_not_ended(self, follow: Follow, query: Any):
        shop = make_shop()
        stock(shop, orders=350)
        rise = await follow(shop, batch_size=100)
        rise.faults.only = "/orders$"
        rise.faults.plan(None, None, None, *[broken.error(503)] * 60)
        assert (await rise.run("changes", "orders"))["orders"].status == "failed"
        some, _ = await totals(query)
        assert 0 < some < 350
        rise.faults._planned.clear()
        await self.move(rise, "https://new.rise.example")

        orders = (await rise.run("changes", "orders"))["orders"]

        assert orders.records_read == 350

    @pytest.mark.parametrize("base_url", ["https://rise.example", "https://RISE.example/"])
    async def test_the_same_one(self, follow: Follow, query: Any, base_url: str):
        rise = await self.follow_with_a_hidden_order(follow)
        await rise.run()
        await self.move(rise, base_url)
        succeeded(await rise.run())
        assert await totals(query) != in_store(rise.shop)
