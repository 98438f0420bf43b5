"""Pages and filters of the WooCommerce double, with the traps that were recorded from a real store."""

from collections import Counter
from datetime import timedelta
from typing import Any

import httpx
import pytest

from fakestores.shop import Shop
from fakestores.woocommerce import create_app
from tests.fakestores.conftest import NOON, Connect

ORDERS = "/wp-json/wc/v3/orders"


def fill(shop: Shop, count: int, *, every: int = 60) -> list[int]:
    product = shop.add_product("Shirt", "100")
    ids = []
    for _ in range(count):
        ids.append(shop.place_order([(product.id, 1)], email="g@example.net").id)
        shop.clock.advance(every)
    return ids


async def read_ids(woo: httpx.AsyncClient, path: str = ORDERS, **params: Any) -> list[int]:
    asked: dict[str, Any] = {"per_page": 100, "orderby": "id", "order": "asc"}
    answer = await woo.get(path, params=asked | params)
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in answer.json()]


async def read_all(woo: httpx.AsyncClient, path: str = ORDERS, **params: Any) -> list[int]:
    found: list[int] = []
    for page in range(1, 100):
        ids = await read_ids(woo, path, **params | {"page": page})
        if not ids:
            return found
        found += ids
    raise AssertionError("endless pages")


@pytest.mark.parametrize("per_page", [1, 3, 7, 20, 100])
async def test_pages_cover_everything_once(shop: Shop, connect: Connect, per_page: int):
    ids = fill(shop, 20)
    woo = connect(create_app(shop))
    assert await read_all(woo, per_page=per_page) == ids
    assert await read_all(woo, per_page=per_page, order="desc") == ids[::-1]
    answer = await woo.get(ORDERS, params={"per_page": per_page})
    assert answer.headers["x-wp-totalpages"] == str(-(-20 // per_page))


async def test_the_default_page(shop: Shop, connect: Connect):
    """Ten, newest first."""
    ids = fill(shop, 12)
    answer = await connect(create_app(shop)).get(ORDERS)
    assert [row["id"] for row in answer.json()] == ids[:1:-1]


async def test_an_offset_stands_above_the_page(shop: Shop, connect: Connect):
    ids = fill(shop, 12)
    assert await read_ids(connect(create_app(shop)), offset=5, per_page=3, page=4) == ids[5:8]


async def test_heads_have_no_body(shop: Shop, connect: Connect):
    fill(shop, 3)
    answer = await connect(create_app(shop)).head(ORDERS)
    assert (answer.content, answer.headers["x-wp-total"]) == (b"", "3")


async def test_the_date_header_is_of_the_stores_clock(shop: Shop, connect: Connect):
    answer = await connect(create_app(shop)).get(ORDERS)
    assert answer.headers["date"] == "Sun, 01 Mar 2026 06:00:00 GMT"


# Dates


@pytest.mark.parametrize(
    ("value", "flag"),
    [
        ("2026-03-01T06:01:59", "true"),
        ("2026-03-01T12:01:59", None),
        ("2026-03-01T06:01:59Z", None),
        ("2026-03-01T12:01:59+06:00", None),
    ],
)
async def test_safe_ways_of_writing_a_time_agree(shop: Shop, connect: Connect, value: str, flag: str | None):
    ids = fill(shop, 4)
    params = {"modified_after": value} | ({"dates_are_gmt": flag} if flag else {})
    assert await read_ids(connect(create_app(shop)), **params) == ids[2:]


async def test_both_bounds_are_exclusive(shop: Shop, connect: Connect):
    ids = fill(shop, 4)
    woo = connect(create_app(shop))
    minute = "2026-03-01T06:02:00"
    assert await read_ids(woo, modified_after=minute, dates_are_gmt="true") == ids[3:]
    assert await read_ids(woo, modified_before=minute, dates_are_gmt="true") == ids[:2]
    assert await read_ids(woo, after=minute, dates_are_gmt="true") == ids[3:]
    assert await read_ids(woo, before=minute, dates_are_gmt="true") == ids[:2]


@pytest.mark.parametrize(("zone", "found"), [("Asia/Dhaka", 0), ("UTC", 2), ("America/New_York", 4)])
async def test_a_zone_together_with_the_flag_is_wrong_by_the_offset(
    connect: Connect, shop: Shop, zone: str, found: int
):
    """East of Greenwich rows are lost, west of it too many come."""
    shop = Shop(time_zone=zone, clock=shop.clock)
    fill(shop, 4)
    ids = await read_ids(connect(create_app(shop)), modified_after="2026-03-01T06:01:59Z", dates_are_gmt="true")
    assert len(ids) == found


async def test_a_forgotten_flag_reads_too_much(shop: Shop, connect: Connect):
    fill(shop, 4)
    assert len(await read_ids(connect(create_app(shop)), modified_after="2026-03-01T06:01:59")) == 4


async def test_a_plus_that_was_not_encoded_is_no_date(shop: Shop, connect: Connect):
    woo = connect(create_app(shop))
    answer = await woo.get(f"{ORDERS}?modified_after=2026-03-01T12:01:59+06:00")
    assert answer.json()["data"]["params"] == {"modified_after": "Invalid date."}


async def test_local_time_through_a_change_to_winter(connect: Connect, shop: Shop):
    shop = Shop(time_zone="Europe/Berlin", clock=shop.clock)
    shop.clock.set(NOON.replace(month=10, day=25, hour=0, minute=30))
    early, late = fill(shop, 2, every=3600)  # both at 02:30 of the local clock
    woo = connect(create_app(shop))
    assert await read_ids(woo, modified_after="2026-10-25T02:29:59") == [early, late]
    assert await read_ids(woo, modified_after="2026-10-25T02:30:00") == []
    assert await read_ids(woo, modified_after="2026-10-25T00:30:00", dates_are_gmt="true") == [late]


async def test_every_problem_is_told(shop: Shop, connect: Connect):
    answer = await connect(create_app(shop)).get(ORDERS, params={"per_page": "x", "page": 0, "orderby": "total"})
    problems = answer.json()["data"]["params"]
    assert answer.status_code == 400
    assert problems == {
        "per_page": "per_page is not of type integer.",
        "page": "page must be greater than or equal to 1",
        "orderby": "orderby is not one of date, id, include, title, slug, and modified.",
    }


# Orders


async def test_statuses(shop: Shop, connect: Connect):
    first, second, draft, pickup, trashed = fill(shop, 5)
    shop.set_order_status(second, "completed")
    shop.orders[draft].status = "checkout-draft"
    shop.set_order_status(pickup, "ready-pickup")
    shop.trash_order(trashed)
    woo = connect(create_app(shop))
    assert await read_ids(woo) == [first, second, draft, pickup]
    assert await read_ids(woo, status="any") == [first, second, draft, pickup]
    assert await read_ids(woo, status="trash") == [trashed]
    assert await read_ids(woo, status="completed,ready-pickup") == [second, pickup]
    several: dict[str, Any] = {"status[]": ["completed", "processing"]}
    assert await read_ids(woo, **several) == [first, second]
    assert await read_ids(woo, include=trashed) == []
    assert (await woo.get(f"{ORDERS}/{trashed}")).json()["status"] == "trash"


async def test_filters_of_orders(shop: Shop, connect: Connect):
    jane = shop.add_customer("jane@example.com", "Jane", "Roy")
    a, b = shop.add_product("A"), shop.add_product("B")
    own = shop.place_order([(a.id, 1)], customer=jane).id
    guest = shop.place_order([(b.id, 1)], email="guest@example.net").id
    woo = connect(create_app(shop))
    assert await read_ids(woo, customer=jane.id) == [own]
    assert await read_ids(woo, customer=0) == [guest]
    assert await read_ids(woo, product=b.id) == [guest]
    assert await read_ids(woo, search="roy") == [own]
    assert await read_ids(woo, include=f"{guest},{own}", orderby="include") == [guest, own]
    assert await read_ids(woo, exclude=own) == [guest]
    shop.delete_product(b.id)
    assert await read_ids(woo, product=b.id) == [guest]


async def test_fields_and_decimals(shop: Shop, connect: Connect):
    product = shop.add_product("Thirds", "99.99")
    order = shop.place_order([shop.line(product.id, 7, price="14.284")])
    woo = connect(create_app(shop))
    row = (await woo.get(ORDERS, params={"_fields": "id,billing.email,line_items"})).json()[0]
    assert (row["id"], row["billing"]) == (order.id, {"email": ""})
    assert row["line_items"][0]["price"] == 99.99 / 7
    whole = (await woo.get(ORDERS, params={"dp": 0})).json()[0]
    exact = (await woo.get(ORDERS, params={"dp": 4})).json()[0]
    assert (whole["total"], exact["total"]) == ("107", "107.4900")
    assert whole["line_items"][0]["price"] == exact["line_items"][0]["price"]


# What goes wrong between two pages


async def test_ties_of_one_second_come_in_no_stable_order(shop: Shop, connect: Connect):
    ids = fill(shop, 25, every=0)
    counted = Counter(await read_all(connect(create_app(shop)), orderby="modified", per_page=5))
    assert sum(counted.values()) == 25
    assert set(counted) < set(ids)
    assert max(counted.values()) > 1


@pytest.mark.parametrize(("orderby", "storage"), [("modified", "hpos"), ("date", "posts"), ("id", "posts")])
async def test_stable_orders(shop: Shop, connect: Connect, orderby: str, storage: Any):
    ids = fill(shop, 25, every=0)
    woo = connect(create_app(shop, storage=storage))
    assert await read_all(woo, orderby=orderby, per_page=5) == ids


async def test_a_row_that_goes_to_the_trash_makes_the_next_page_skip_one(shop: Shop, connect: Connect):
    ids = fill(shop, 20)
    woo = connect(create_app(shop))
    assert await read_ids(woo, per_page=10) == ids[:10]
    shop.trash_order(ids[4])
    assert await read_ids(woo, per_page=10, page=2) == ids[11:]


async def test_a_new_row_makes_the_default_order_repeat_one(shop: Shop, connect: Connect):
    ids = fill(shop, 20)
    woo = connect(create_app(shop))
    first = [row["id"] for row in (await woo.get(ORDERS)).json()]
    fill(shop, 1)
    second = [row["id"] for row in (await woo.get(ORDERS, params={"page": 2})).json()]
    assert first[-1] == second[0] == ids[10]


async def test_an_edited_row_leaves_a_window_with_an_upper_bound(shop: Shop, connect: Connect):
    ids = fill(shop, 6)
    woo = connect(create_app(shop, storage="hpos"))
    bounds = {
        "modified_after": "2026-03-01T05:00:00",
        "modified_before": "2026-03-01T07:00:00",
        "dates_are_gmt": "true",
    }
    assert await read_ids(woo, per_page=3, **bounds) == ids[:3]
    shop.clock.set(NOON + timedelta(hours=2))
    shop.edit_order(ids[0], email="x@example.net")
    assert await read_ids(woo, per_page=3, page=2, **bounds) == ids[4:]


async def test_a_version_that_ignores_the_page(shop: Shop, connect: Connect):
    ids = fill(shop, 6)
    woo = connect(create_app(shop, ignores_paging=True))
    assert await read_ids(woo, per_page=3) == await read_ids(woo, per_page=3, page=2) == ids[:3]


async def test_a_version_that_embeds_no_refunds(shop: Shop, connect: Connect):
    (id,) = fill(shop, 1)
    shop.refund_order(id, "10")
    woo = connect(create_app(shop, embeds_refunds=False))
    assert (await woo.get(f"{ORDERS}/{id}")).json()["refunds"] == []
    assert (await woo.get(f"{ORDERS}/{id}/refunds")).json()[0]["amount"] == "10.00"


# Other resources


async def test_customers_have_no_filter_by_date(shop: Shop, connect: Connect):
    shop.add_customer("admin@example.com", role="administrator")
    ids = [shop.add_customer(f"c{n}@example.com", f"C{9 - n}").id for n in range(3)]
    woo, path = connect(create_app(shop)), "/wp-json/wc/v3/customers"
    assert await read_ids(woo, path, modified_after="nonsense") == ids
    assert len(await read_ids(woo, path, role="all")) == 4
    assert await read_ids(woo, path, email="C1@example.com") == ids[1:2]
    by_name = (await woo.get(path)).json()
    assert [row["id"] for row in by_name] == ids[::-1]
    assert (await woo.get(path, params={"orderby": "date"})).status_code == 400


async def test_filters_of_products(shop: Shop, connect: Connect):
    plain = shop.add_product("Plain", "5", sku="p-1", stock=0)
    varied = shop.add_product("Varied", None, variations=[{"options": {"Size": "L"}, "price": "7"}])
    trashed = shop.add_product("Old")
    shop.trash_product(trashed.id)
    woo, path = connect(create_app(shop)), "/wp-json/wc/v3/products"
    assert await read_ids(woo, path) == [plain.id, varied.id]
    assert await read_ids(woo, path, status="trash") == [trashed.id]
    assert await read_ids(woo, path, type="variable") == [varied.id]
    assert await read_ids(woo, path, sku="p-1") == [plain.id]
    assert await read_ids(woo, path, stock_status="outofstock") == [plain.id]
    shop.clock.advance(60)
    shop.update_variation(varied.variations[0].id, price="8")
    after = NOON.replace(tzinfo=None).isoformat()
    assert await read_ids(woo, path, modified_after=after, dates_are_gmt="true") == [varied.id]
    sizes = f"{path}/{varied.id}/variations"
    assert await read_ids(woo, sizes, modified_after=after, dates_are_gmt="true") == [varied.variations[0].id]
    assert await read_ids(woo, sizes, modified_before=after, dates_are_gmt="true") == []
    own = (await woo.get(f"{path}/{varied.variations[0].id}")).json()
    assert (own["type"], own["parent_id"], own["price"]) == ("variation", varied.id, "8")


async def test_what_is_gone_from_old_lines(shop: Shop, connect: Connect):
    lamp = shop.add_product("Lamp & co", "5", sku="lamp")
    shirt = shop.add_product("Shirt", None, sku="shirt", variations=[{"options": {"Size": "L"}, "sku": "shirt-l"}])
    size = shirt.variations[0]
    jane = shop.add_customer("jane@example.com")
    order = shop.place_order([(lamp.id, 1), (size.id, 1)], customer=jane)
    woo = connect(create_app(shop))

    async def read() -> tuple[Any, ...]:
        row = (await woo.get(f"{ORDERS}/{order.id}")).json()
        lines = [(li["product_id"], li["variation_id"], li["sku"]) for li in row["line_items"]]
        return row["customer_id"], row["billing"]["email"], row["date_modified_gmt"], lines

    modified = "2026-03-01T06:00:00"
    assert await read() == (
        jane.id, jane.email, modified, [(lamp.id, 0, "lamp"), (shirt.id, size.id, "shirt-l")],
    )  # fmt: skip
    shop.clock.advance(60)
    shop.trash_product(lamp.id)
    assert (await read())[3][0] == (lamp.id, 0, "lamp")
    shop.delete_product(lamp.id)
    shop.delete_variation(size.id)
    shop.delete_customer(jane.id)
    assert await read() == (0, "jane@example.com", modified, [(0, 0, None), (shirt.id, 0, "shirt")])


async def test_totals_by_status(shop: Shop, connect: Connect):
    first, *_ = fill(shop, 3)
    shop.set_order_status(first, "ready-pickup")
    rows = (await connect(create_app(shop)).get("/wp-json/wc/v3/reports/orders/totals")).json()
    assert {row["slug"]: row["total"] for row in rows if row["total"]} == {"processing": 2, "ready-pickup": 1}
