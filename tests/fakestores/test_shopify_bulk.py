"""Bulk operations: what may be asked, how they go on, and the file that comes of it."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.ingest.formats import find_format
from app.ingest.formats.base import Options
from app.ingest.reading import SourceFile
from app.ingest.records import Parsed, Skipped
from fakestores.generate import generate
from fakestores.shop import Shop
from fakestores.shopify import create_app
from fakestores.webhooks import ShopifyWebhooks
from tests.fakestores.shopify_client import BAG, LINE_FIELDS, ORDER_FIELDS, Shopify, open_shop
from tests.ingest.conftest import LIMITS

ORDERS = f"""{{ orders {{ edges {{ node {{ {ORDER_FIELDS}
  lineItems {{ edges {{ node {{ {LINE_FIELDS} }} }} }}
  shippingLines {{ edges {{ node {{ id title originalPriceSet {BAG} }} }} }}
  refunds {{ id totalRefundedSet {BAG} }}
}} }} }} }}"""
SMALL = "{ orders { nodes { id lineItems { nodes { id } } } } }"


@pytest.fixture(scope="module")
def generated() -> Shop:
    return generate(9, orders=150)


async def read_lines(shopify: Shopify, url: str) -> list[dict[str, Any]]:
    answer = await shopify.client.get(url)
    assert answer.status_code == 200
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_it_goes_on_as_it_is_looked_at(generated: Shop):
    shopify = open_shop(generated, bulk_polls=2)
    started = await shopify.start_bulk(SMALL)
    assert (started["status"], started["url"]) == ("CREATED", None)
    looks = [await shopify.look(started["id"]) for _ in range(4)]
    assert [look["status"] for look in looks] == ["RUNNING", "RUNNING", "COMPLETED", "COMPLETED"]
    lines = await read_lines(shopify, looks[-1]["url"])
    assert looks[-1]["objectCount"] == str(len(lines))
    assert looks[-1]["rootObjectCount"] == str(sum("__parentId" not in line for line in lines))
    current = await shopify.ask("{ currentBulkOperation { id status } }")
    assert current["currentBulkOperation"] == {"id": started["id"], "status": "COMPLETED"}
    by_id = await shopify.ask(f'{{ bulkOperation(id: "{started["id"]}") {{ status fileSize }} }}')
    assert int(by_id["bulkOperation"]["fileSize"]) == len((await shopify.client.get(looks[-1]["url"])).content)


async def test_a_large_one_takes_as_many_looks_as_it_needs(generated: Shop):
    app = create_app(generated)
    app.state.store.bulk.slice_seconds = 0.0
    shopify = Shopify(app)
    started = await shopify.start_bulk('{ orders(query: "id:<=70") { nodes { id } } }')
    counts = []
    while (look := await shopify.look(started["id"]))["status"] == "RUNNING":
        counts.append(int(look["objectCount"]))
    assert counts == list(range(len(counts)))
    assert int(look["objectCount"]) == len(await read_lines(shopify, look["url"]))


@pytest.mark.parametrize("order", ["grouped", "scattered"])
async def test_the_file_is_readable(generated: Shop, tmp_path: Path, order: Any):
    shopify = open_shop(generated, bulk_order=order)
    url = (await shopify.run_bulk(ORDERS))["url"]
    path = tmp_path / "bulk.jsonl"
    path.write_bytes((await shopify.client.get(url)).content)
    source = SourceFile(path, LIMITS)
    form, options = find_format(source, Options())
    assert form.name == "shopify_bulk_jsonl"
    items = list(form.read(source, options))
    assert all(isinstance(item, Parsed | Skipped) for item in items)
    parsed = [item for item in items if isinstance(item, Parsed)]
    assert len(parsed) == sum(o.status not in {"checkout-draft", "trash"} for o in generated.orders.values())


async def test_children_may_stand_away_from_their_parents(generated: Shop):
    shopify = open_shop(generated, bulk_seed=3)
    scattered = await read_lines(shopify, (await shopify.run_bulk(ORDERS))["url"])
    grouped = await read_lines(shopify, (await shopify.run_bulk(ORDERS, groupObjects=True))["url"])
    assert scattered != grouped
    assert sorted(map(json.dumps, scattered)) == sorted(map(json.dumps, grouped))
    seen, apart, parent = set(), 0, ""
    for line in scattered:
        if "__parentId" in line:
            assert line["__parentId"] in seen
            apart += line["__parentId"] != parent
        else:
            parent = line["id"]
            seen.add(parent)
    assert apart > 50
    parent = ""
    for line in grouped:
        assert line.get("__parentId", line["id"]) == (parent if "__parentId" in line else line["id"])
        parent = line.get("__parentId", line["id"])


async def test_slashes_are_escaped_and_letters_are_not(shop: Shop):
    shop.add_product("শাড়ি")
    shopify = open_shop(shop)
    content = (await shopify.client.get((await shopify.run_bulk("{ products { nodes { id title } } }"))["url"])).content
    assert content == '{"id":"gid:\\/\\/shopify\\/Product\\/1","title":"শাড়ি"}\n'.encode()


async def test_the_query_of_the_root_is_heeded(shop: Shop):
    for _ in range(3):
        shop.place_order([])
        shop.clock.advance(60)
    shopify = open_shop(shop)
    query = "{ orders(query: \"created_at:>='2026-03-01T06:01:00Z'\") { nodes { id } } }"
    assert len(await read_lines(shopify, (await shopify.run_bulk(query))["url"])) == 2


async def test_of_nothing_there_is_no_file(shop: Shop):
    done = await open_shop(shop).run_bulk(SMALL)
    assert (done["status"], done["url"], done["objectCount"], done["fileSize"]) == ("COMPLETED", None, "0", None)


@pytest.mark.parametrize("code", ["TIMEOUT", "INTERNAL_SERVER_ERROR"])
async def test_a_failed_one_leaves_a_part(generated: Shop, code: str):
    shopify = open_shop(generated, bulk_failures=[code])
    failed = await shopify.run_bulk(SMALL)
    assert (failed["status"], failed["errorCode"], failed["url"]) == ("FAILED", code, None)
    part = await read_lines(shopify, failed["partialDataUrl"])
    whole = await read_lines(shopify, (await shopify.run_bulk(SMALL))["url"])
    assert 0 < len(part) < len(whole)


async def test_only_so_many_at_once(generated: Shop):
    app = create_app(generated)
    for version, most in (("2025-10", 1), ("2026-01", 5)):
        shopify = Shopify(create_app(generated) if version == "2026-01" else app, version)
        ids = [(await shopify.start_bulk(SMALL))["id"] for _ in range(most)]
        answer = await shopify.ask(
            'mutation { bulkOperationRunQuery(query: "{ orders { nodes { id } } }") '
            "{ bulkOperation { id } userErrors { field message } } }"
        )
        refused = answer["bulkOperationRunQuery"]
        assert refused["bulkOperation"] is None
        message = f"A bulk query operation for this app and shop is already in progress: {ids[-1]}."
        assert refused["userErrors"] == [{"field": None, "message": message}]


async def test_cancelling(generated: Shop):
    shopify = open_shop(generated, bulk_polls=9)
    cancel = "mutation ($id: ID!) { bulkOperationCancel(id: $id) { bulkOperation { status } userErrors { message } } }"
    id = (await shopify.start_bulk(SMALL))["id"]
    assert (await shopify.ask(cancel, id=id))["bulkOperationCancel"]["bulkOperation"] == {"status": "CANCELING"}
    assert (await shopify.look(id))["status"] == "CANCELED"
    assert (await shopify.ask(cancel, id=id))["bulkOperationCancel"]["userErrors"]


async def test_a_result_ends_after_a_week(shop: Shop):
    shop.place_order([])
    shopify = open_shop(shop)
    url = (await shopify.run_bulk("{ orders { nodes { id } } }"))["url"]
    shop.clock.advance(7 * 86400)
    assert (await shopify.client.get(url)).status_code == 404


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("{ shop { name } }", "connections at their root"),
        ("{ orders { nodes { id } ", "Invalid bulk query"),
        ("{ orders { nodes { shoeSize } } }", "Invalid bulk query"),
        ("{ orders { nodes { name lineItems { nodes { id } } } } }", "must select the 'id' field"),
        ("{ orders { nodes { id refunds { transactions { nodes { id } } } } } }", "within a list field"),
        (
            "{ customers { nodes { id orders { nodes { id lineItems { nodes { id "
            "product { id variants { nodes { id } } } } } } } } } }",
            "nesting depth greater than 2",
        ),
        (
            "{ orders { nodes { id lineItems { nodes { id } } shippingLines { nodes { id } } } } "
            "customers { nodes { id addressesV2 { nodes { id } } } } "
            "products { nodes { id variants { nodes { id } } } } }",
            "more than 5 connections",
        ),
    ],
)
async def test_queries_that_are_not_for_bulk(shop: Shop, query: str, words: str):
    answer = await open_shop(shop).ask(
        "mutation ($q: String!) { bulkOperationRunQuery(query: $q) { bulkOperation { id } userErrors { message } } }",
        q=query,
    )
    (error,) = answer["bulkOperationRunQuery"]["userErrors"]
    assert words in error["message"]


async def test_its_end_is_told(shop: Shop):
    shop.place_order([])
    webhooks = ShopifyWebhooks(shop)
    webhooks.subscribe("bulk_operations/finish", "https://receiver.example/shopify")
    shopify = open_shop(shop, webhooks=webhooks)
    done = await shopify.run_bulk("{ orders { nodes { id } } }")
    (delivery,) = webhooks.take()
    body = json.loads(delivery.body)
    assert (body["admin_graphql_api_id"], body["status"], body["error_code"]) == (done["id"], "completed", None)
