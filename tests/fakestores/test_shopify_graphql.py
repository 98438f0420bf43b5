"""The GraphQL double: pages, search, refusals, costs, and nodes that what reads real ones can read."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from app.ingest.formats import shopify_graphql
from app.ingest.records import OrderRecord, Parsed
from fakestores import faults
from fakestores.faults import Faults
from fakestores.generate import generate
from fakestores.model import Address
from fakestores.shop import Shop
from fakestores.shopify import Bucket, create_app
from fakestores.shopify.figures import find_figures
from tests.fakestores.conftest import NOON
from tests.fakestores.shopify_client import LINE_FIELDS, ORDER_FIELDS, Shopify, open_shop

PAGE = "pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"


def fill(shop: Shop, count: int, *, every: int = 60) -> list[int]:
    product = shop.add_product("Shirt", "100")
    ids = []
    for _ in range(count):
        ids.append(shop.place_order([(product.id, 1)], email="g@example.net").id)
        shop.clock.advance(every)
    return ids


def numbers(rows: list[dict[str, Any]]) -> list[int]:
    return [int(row["id"].rpartition("/")[2]) for row in rows]


async def read_all(shopify: Shopify, arguments: str = "", first: int = 7) -> list[int]:
    found: list[int] = []
    after = None
    query = f"""query ($first: Int, $after: String) {{
      orders(first: $first, after: $after{arguments}) {{ nodes {{ id }} {PAGE} }} }}"""
    while True:
        page = (await shopify.ask(query, first=first, after=after))["orders"]
        found += numbers(page["nodes"])
        if not page["pageInfo"]["hasNextPage"]:
            return found
        after = page["pageInfo"]["endCursor"]


@pytest.mark.parametrize("sort", ["ID", "CREATED_AT", "UPDATED_AT", "PROCESSED_AT", "TOTAL_PRICE"])
@pytest.mark.parametrize("every", [0, 60])
async def test_pages_cover_everything_once(shop: Shop, sort: str, every: int):
    ids = fill(shop, 20, every=every)
    shopify = open_shop(shop)
    assert await read_all(shopify, f", sortKey: {sort}") == ids
    assert await read_all(shopify, f", sortKey: {sort}, reverse: true") == ids[::-1]


async def test_pages_backwards_and_edges(shop: Shop):
    ids = fill(shop, 5)
    shopify = open_shop(shop)
    query = (
        f"query ($before: String) {{ orders(last: 2, before: $before) {{ edges {{ cursor node {{ id }} }} {PAGE} }} }}"
    )
    page = (await shopify.ask(query))["orders"]
    assert numbers([edge["node"] for edge in page["edges"]]) == ids[3:]
    assert page["pageInfo"]["hasPreviousPage"]
    assert not page["pageInfo"]["hasNextPage"]
    page = (await shopify.ask(query, before=page["edges"][0]["cursor"]))["orders"]
    assert numbers([edge["node"] for edge in page["edges"]]) == ids[1:3]


async def test_an_edited_row_is_met_again_and_none_is_missed(shop: Shop):
    """A cursor is a place in the order, which the edited row leaves for the end."""
    ids = fill(shop, 6)
    shopify = open_shop(shop)
    query = (
        f"query ($after: String) {{ orders(first: 3, after: $after, sortKey: UPDATED_AT) {{ nodes {{ id }} {PAGE} }} }}"
    )
    page = (await shopify.ask(query))["orders"]
    shop.edit_order(ids[0], email="x@example.net")
    rest = (await shopify.ask(query, after=page["pageInfo"]["endCursor"]))["orders"]
    assert numbers(rest["nodes"]) == [ids[3], ids[4], ids[5]]
    last = (await shopify.ask(query, after=rest["pageInfo"]["endCursor"]))["orders"]
    assert numbers(last["nodes"]) == [ids[0]]


async def test_search(shop: Shop):
    first, second, third, fourth = fill(shop, 4)
    shop.set_order_status(fourth, "cancelled")
    shopify = open_shop(shop)

    async def search(query: str) -> list[int]:
        data = await shopify.ask(
            "query ($q: String) { orders(first: 9, query: $q, sortKey: ID) { nodes { id } } }", q=query
        )
        return numbers(data["orders"]["nodes"])

    at = "2026-03-01T06:0{}:00Z".format
    assert await search(f"created_at:>='{at(1)}' AND created_at:<'{at(3)}'") == [second, third]
    assert await search(f"created_at:>{at(1)} created_at:<={at(3)}") == [third, fourth]
    assert await search("created_at:>='2026-03-01T12:02:00'") == [third, fourth]  # the shop's own time
    assert await search("created_at:2026-03-01") == [first, second, third, fourth]
    assert await search(f"id:>{second}") == [third, fourth]
    assert await search(f"id:{first} OR id:{third}") == [first, third]
    assert await search(f"(id:{first} OR id:{third}) AND NOT id:{first}") == [third]
    assert await search("-status:cancelled") == [first, second, third]
    assert await search("financial_status:paid fulfillment_status:unfulfilled test:false") == [
        first,
        second,
        third,
        fourth,
    ]
    assert await search("email:g@example.net") == [first, second, third, fourth]
    assert await search("nobody") == []
    assert await search(f"updated_at:>'{at(3)}'") == [fourth]


async def test_an_unknown_search_field_is_warned_of_and_passed_over(shop: Shop):
    fill(shop, 2)
    answer = (await open_shop(shop).post('{ orders(first: 5, query: "shoe_size:>9") { nodes { id } } }')).json()
    assert len(answer["data"]["orders"]["nodes"]) == 2
    (said,) = answer["extensions"]["search"]
    assert said["warnings"][0] == {
        "field": "shoe_size", "message": "Invalid search field for this query.", "code": "invalid_field",
    }  # fmt: skip


async def test_the_shop_and_single_records(shop: Shop):
    shop.add_customer("jane@example.com", "Jane", "Roy")
    (id,) = fill(shop, 1)
    product = next(iter(shop.products))
    shopify = open_shop(shop)
    data = await shopify.ask(
        """query ($order: ID!, $product: ID!, $ids: [ID!]!) {
          shop { name currencyCode ianaTimezone timezoneOffset myshopifyDomain }
          order(id: $order) { id name legacyResourceId }
          product(id: $product) { title variants(first: 5) { nodes { id title price inventoryItem { tracked } } } }
          nodes(ids: $ids) { id __typename ... on Customer { email } }
          ordersCount { count precision } customersCount { count } productsCount(query: "title:Shirt") { count }
        }""",
        order=f"gid://shopify/Order/{id}",
        product=f"gid://shopify/Product/{product}",
        ids=["gid://shopify/Customer/1", "gid://shopify/Order/999"],
    )
    assert data["shop"] == {
        "name": "Rise", "currencyCode": "BDT", "ianaTimezone": "Asia/Dhaka", "timezoneOffset": "+06:00",
        "myshopifyDomain": "rise.myshopify.com",
    }  # fmt: skip
    assert data["order"] == {"id": f"gid://shopify/Order/{id}", "name": f"#{1000 + id}", "legacyResourceId": str(id)}
    assert data["product"]["variants"]["nodes"][0]["title"] == "Default Title"
    assert data["nodes"] == [
        {"id": "gid://shopify/Customer/1", "__typename": "Customer", "email": "jane@example.com"}, None,
    ]  # fmt: skip
    assert data["ordersCount"] == {"count": 1, "precision": "EXACT"}
    assert data["productsCount"] == {"count": 1}


async def test_counts_stop_at_their_limit(shop: Shop):
    fill(shop, 3)
    data = await open_shop(shop).ask("{ ordersCount(limit: 2) { count precision } }")
    assert data["ordersCount"] == {"count": 2, "precision": "AT_LEAST"}


async def test_nested_lines_are_cut_without_a_word(shop: Shop):
    product = shop.add_product("Shirt", "1")
    order = shop.place_order([(product.id, 1)] * 5)
    shopify = open_shop(shop)
    query = f"""query ($id: ID!, $after: String) {{
      order(id: $id) {{ lineItems(first: 2, after: $after) {{ nodes {{ id }} {PAGE} }} }} }}"""
    found, after = [], None
    for _ in range(3):
        lines = (await shopify.ask(query, id=f"gid://shopify/Order/{order.id}", after=after))["order"]["lineItems"]
        found += numbers(lines["nodes"])
        after = lines["pageInfo"]["endCursor"]
    assert found == [line.id for line in order.lines]
    assert not lines["pageInfo"]["hasNextPage"]


async def test_what_shopify_does_not_have(shop: Shop):
    """Unfinished carts and the trash of another platform."""
    first, second, third = fill(shop, 3)
    shop.orders[first].status = "checkout-draft"
    shop.trash_order(second)
    shopify = open_shop(shop)
    assert await read_all(shopify) == [third]
    assert (await shopify.ask(f'{{ order(id: "gid://shopify/Order/{second}") {{ id }} }}'))["order"] is None


# Refusals


async def test_wrong_queries(shop: Shop):
    shopify = open_shop(shop)
    (error,) = await shopify.fail("{ orders(first: 1) { nodes { id shoeSize } } }")
    assert error["message"] == "Field 'shoeSize' doesn't exist on type 'Order'"
    assert error["extensions"]["code"] == "undefinedField"
    assert "Syntax Error" in (await shopify.fail("{ orders("))[0]["message"]
    assert "first or last" in (await shopify.fail("{ orders { nodes { id } } }"))[0]["message"]
    assert "250" in (await shopify.fail("{ orders(first: 251) { nodes { id } } }"))[0]["message"]
    assert "cursor" in (await shopify.fail('{ orders(first: 1, after: "x") { nodes { id } } }'))[0]["message"]
    assert "global id" in (await shopify.fail('{ order(id: "12") { id } }'))[0]["message"]
    assert (await shopify.post("")).status_code == 400


async def test_a_wrong_token_and_a_wrong_version(shop: Shop):
    app = create_app(shop)
    answer = await Shopify(app, token="shpat_wrong").post("{ shop { name } }")
    assert answer.status_code == 401
    assert answer.json() == {"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"}
    assert (await Shopify(app, "2031-01").post("{ shop { name } }")).status_code == 404
    assert (await Shopify(app, "latest").post("{ shop { name } }")).status_code == 404
    old = await Shopify(app, "2023-01").post("{ shop { name } }")
    assert (old.status_code, old.headers["x-shopify-api-version"]) == (200, "2025-04")


async def test_a_missing_scope(shop: Shop):
    fill(shop, 1)
    shopify = open_shop(shop, scopes=["read_products"])
    answer = (await shopify.post("{ orders(first: 1) { nodes { id } } }")).json()
    assert answer["data"] is None
    (error,) = answer["errors"]
    assert error["message"] == "Access denied for orders field. Required access: `read_orders` access scope."
    assert error["extensions"]["code"] == "ACCESS_DENIED"
    assert error["path"] == ["orders"]
    data = await shopify.ask(
        "{ products(first: 1) { nodes { id } } currentAppInstallation { accessScopes { handle } } }"
    )
    assert data["currentAppInstallation"]["accessScopes"] == [{"handle": "read_products"}]


async def test_without_the_scope_for_all_only_recent_orders_are_seen(shop: Shop):
    fill(shop, 1)
    shop.clock.advance(timedelta(days=61).total_seconds())
    (recent,) = fill(shop, 1)
    assert await read_all(open_shop(shop, scopes=["read_orders"])) == [recent]
    assert len(await read_all(open_shop(shop))) == 2


async def test_personal_data_that_was_not_granted(shop: Shop):
    jane = shop.add_customer("jane@example.com", "Jane", "Roy", billing=Address("Jane", "Roy", city="Dhaka"))
    shop.place_order([], customer=jane)
    shopify = open_shop(shop, hides_personal_data=True)
    query = "{ orders(first: 1) { nodes { id email billingAddress { city } customer { id firstName } } } }"
    answer = (await shopify.post(query)).json()
    (row,) = answer["data"]["orders"]["nodes"]
    assert (row["email"], row["billingAddress"], row["customer"]["firstName"]) == (None, None, None)
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"ACCESS_DENIED"}


async def test_client_credentials(shop: Shop):
    app = create_app(shop, token=None, client=("id", "s3cret"))
    asking = Shopify(app)
    grant = {"grant_type": "client_credentials", "client_id": "id", "client_secret": "s3cret"}
    refused = await asking.client.post("/admin/oauth/access_token", json=grant | {"client_secret": "no"})
    assert refused.status_code == 400
    granted = (await asking.client.post("/admin/oauth/access_token", data=grant)).json()
    assert granted["expires_in"] == 86399
    assert "read_orders" in granted["scope"]
    shopify = Shopify(app, token=granted["access_token"])
    assert (await shopify.post("{ shop { name } }")).status_code == 200
    shop.clock.advance(86400)
    assert (await shopify.post("{ shop { name } }")).status_code == 401


# Costs


@pytest.mark.parametrize(
    ("query", "requested", "actual"),
    [
        ("{ shop { name } }", 1, 1),
        ("{ customers(first: 10) { nodes { phone } } }", 12, 2),
        ("{ orders(first: 10) { nodes { id } } }", 12, 5),
        ("{ orders(first: 10) { edges { cursor node { id } } pageInfo { hasNextPage } } }", 12, 5),
        ("query ($n: Int = 5) { orders(first: $n) { nodes { lineItems(first: 3) { nodes { id } } } } }", 32, 14),
        ("{ orders(first: 5) { nodes { ...M } } } fragment M on Order { taxes: totalTaxSet { shopMoney { amount } } }",
         17, 11),
    ],
)  # fmt: skip
async def test_what_a_query_costs(shop: Shop, query: str, requested: int, actual: int):
    fill(shop, 3)
    cost = (await open_shop(shop).post(query)).json()["extensions"]["cost"]
    assert (cost["requestedQueryCost"], cost["actualQueryCost"]) == (requested, actual)


async def test_a_query_that_may_never_run(shop: Shop):
    shopify = open_shop(shop)
    (error,) = await shopify.fail("{ orders(first: 250) { nodes { lineItems(first: 20) { nodes { id } } } } }")
    assert error["extensions"]["code"] == "MAX_COST_EXCEEDED"
    assert error["message"].startswith("Query cost is 5752, which exceeds the single query max cost limit (1000).")


async def test_throttling(shop: Shop):
    now = [0.0]
    fill(shop, 20)
    bucket = Bucket(size=40, restore_rate=10, timer=lambda: now[0])
    shopify = open_shop(shop, bucket=bucket)
    query = "{ orders(first: 20) { nodes { id } } }"
    status = (await shopify.post(query)).json()["extensions"]["cost"]["throttleStatus"]
    assert status == {"maximumAvailable": 40, "currentlyAvailable": 18, "restoreRate": 10}
    answer = await shopify.post(query)
    assert answer.status_code == 200
    assert answer.json()["errors"][0]["extensions"]["code"] == "THROTTLED"
    assert "data" not in answer.json()
    assert answer.json()["extensions"]["cost"]["requestedQueryCost"] == 22
    now[0] += 0.4
    assert "data" in (await shopify.post(query)).json()


async def test_faults_reach_it_too(shop: Shop):
    plan = Faults(script=[faults.throttled(), faults.error(502)])
    shopify = open_shop(shop, faults=plan)
    assert (await shopify.fail("{ shop { name } }"))[0]["message"] == "Throttled"
    assert (await shopify.post("{ shop { name } }")).status_code == 502
    assert await shopify.ask("{ shop { name } }") == {"shop": {"name": "Rise"}}
    assert plan.requests == {shopify.url: 3}


# What is read of it


async def test_generated_orders_are_readable_and_add_up():
    shop = generate(5, orders=250, first_id=4_500_000_000_001)
    shopify = open_shop(shop, most_query_cost=None, bucket=Bucket(size=1e9))
    query = f"""query ($after: String) {{ orders(first: 200, after: $after, sortKey: ID) {{ {PAGE} nodes {{
      {ORDER_FIELDS}
      lineItems(first: 20) {{ {PAGE} nodes {{ {LINE_FIELDS} }} }}
      refunds {{ id
        transactions(first: 5) {{ {PAGE} nodes {{ id kind status amountSet {{ shopMoney {{ amount }} }} }} }} }}
    }} }} }}"""
    rows: list[dict[str, Any]] = []
    after = None
    for _ in range(2):
        page = (await shopify.ask(query, after=after))["orders"]
        rows, after = rows + page["nodes"], page["pageInfo"]["endCursor"]
    assert len(rows) > 240
    for row in rows:
        (item,) = shopify_graphql.parse_node("1", row)
        assert isinstance(item, Parsed), item
        assert isinstance(item.record, OrderRecord)
        order = shop.orders[int(item.record.key)]
        charged = sum(line.total_price or Decimal(0) for line in item.record.lines)
        read = item.record
        assert read.total_amount == charged - read.discount_total + read.shipping_total + read.tax_total
        assert sum(refund.amount for refund in read.refunds) == find_figures(order, order.exchange_rate).refunded
        if order.exchange_rate == 1:
            assert read.total_amount == order.total
        assert read.currency == "BDT"


async def test_customers_and_products_are_readable():
    shop = generate(5, orders=150)
    shopify = open_shop(shop, most_query_cost=None, bucket=Bucket(size=1e9))
    data = await shopify.ask("""{
      customers(first: 250) { nodes { id firstName lastName email phone updatedAt numberOfOrders amountSpent { amount }
        defaultAddress { address1 city country zip } addressesV2(first: 3) { nodes { id address1 city } } } }
      products(first: 250) { nodes { id title handle status updatedAt options { name }
        variants(first: 50) { nodes { id sku price barcode inventoryQuantity updatedAt inventoryItem { tracked }
          selectedOptions { name value } } } } }
      productVariants(first: 250) { nodes { id sku price product { id title handle } } }
    }""")
    items = [
        item
        for name in ("customers", "products", "productVariants")
        for row in data[name]["nodes"]
        for item in shopify_graphql.parse_node("1", row)
    ]
    assert all(isinstance(item, Parsed) for item in items)
    sold = sum(len(product.variations) or 1 for product in shop.products.values())
    assert len(items) == len(shop.customers) + 2 * sold
    spent = sum(Decimal(row["amountSpent"]["amount"]) for row in data["customers"]["nodes"])
    assert spent > 0


async def test_an_order_in_another_currency(shop: Shop):
    product = shop.add_product("Shirt", "10")
    order = shop.place_order([(product.id, 3)], currency="USD", exchange_rate="120.5", tax_rate=0)
    shop.refund_order(order.id)
    data = await open_shop(shop).ask(
        f'{{ order(id: "gid://shopify/Order/{order.id}") {{ {ORDER_FIELDS} presentmentCurrencyCode }} }}'
    )
    row = data["order"]
    assert (row["currencyCode"], row["presentmentCurrencyCode"]) == ("BDT", "USD")
    assert row["totalPriceSet"] == {
        "shopMoney": {"amount": "3615.0", "currencyCode": "BDT"},
        "presentmentMoney": {"amount": "30.0", "currencyCode": "USD"},
    }
    assert row["displayFinancialStatus"] == "REFUNDED"
    assert row["currentTotalPriceSet"]["shopMoney"]["amount"] == "0.0"


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ("pending", ("PENDING", "UNFULFILLED", False)),
        ("on-hold", ("PENDING", "UNFULFILLED", False)),
        ("processing", ("PAID", "UNFULFILLED", False)),
        ("completed", ("PAID", "FULFILLED", False)),
        ("cancelled", ("VOIDED", "UNFULFILLED", True)),
        ("refunded", ("REFUNDED", "UNFULFILLED", False)),
    ],
)
async def test_statuses(shop: Shop, status: str, shown: tuple[str, str, bool]):
    order = shop.place_order([], fees={"Service": "10"}, status=status)
    data = await open_shop(shop).ask(f'{{ order(id: "gid://shopify/Order/{order.id}") {{ {ORDER_FIELDS} }} }}')
    row = data["order"]
    found = row["displayFinancialStatus"], row["displayFulfillmentStatus"], row["cancelledAt"] is not None
    assert found == shown
    assert row["updatedAt"] == NOON.strftime("%Y-%m-%dT%H:%M:%SZ")
