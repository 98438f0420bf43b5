"""The double's answers against those recorded from a real store: shapes, headers, and every error's words."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest

from fakestores.model import Address
from fakestores.shop import Shop
from fakestores.webhooks import WooWebhooks
from fakestores.woocommerce import create_app
from fakestores.woocommerce.auth import sign as sign_request
from tests.fakestores.conftest import SHARED, Connect
from tests.fakestores.shapes import collect, differences

RECORDED = SHARED / "woocommerce_recorded"

pytestmark = pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded answers are not in this checkout")

# The host's, not WordPress's.
IGNORED_HEADERS = {"host", "date", "connection", "content-length"}


def read(name: str) -> Any:
    return json.loads((RECORDED / name).read_bytes())


def index() -> dict[str, dict[str, Any]]:
    return {answer["name"]: answer for answer in read("index.json")}


@pytest.fixture
def rich(shop: Shop) -> Shop:
    """Something of everything that the recorded store had."""
    shop.add_customer("admin@example.com", role="administrator", billing=Address())
    jane = shop.add_customer("jane@example.com", "Jane", "Tag & Co", billing=Address("Jane", "Roy", city="Dhaka"))
    silent = shop.add_customer("new@example.com")
    silent.modified_at = None
    shirt = shop.add_product("Shirt", None, sku="shirt", variations=[
        {"options": {"Color": "Red", "Size": "L"}, "price": "20", "sku": "shirt-red"},
        {"options": {"Color": "Blue", "Size": "L"}, "price": "24.50"},
    ])  # fmt: skip
    pencil = shop.add_product("Pencil & eraser", "7.35", stock=5000, description="Lorem.", category="Office")
    lamp, gone = shop.add_product("Lamp", "650.25"), shop.add_product("Gone", "1.00")
    card = shop.add_product("Gift card", "500.00", virtual=True)
    shop.add_product("No price yet", None)
    red, blue = shirt.variations
    shop.place_order([(red.id, 2), (pencil.id, 3)], customer=jane, shipping_total="120", status="completed")
    shop.place_order([(blue.id, 1), (gone.id, 1)], email="guest@example.net", note="Ring twice")
    shop.place_order(
        [shop.line(lamp.id, 3, discount="716.18"), (card.id, 1)],
        customer=jane,
        coupons={"save": "716.18"},
        fees={"Gift wrap": "25", "Loyalty discount": "-10"},
        shipping_total="60",
        meta=(("delivery_slot", {"from": 9}), ("gift", "yes")),
    )
    shop.place_order([(card.id, 1)], status="pending", tax_rate=0)
    shop.place_order([(lamp.id, 2)], status="on-hold", currency="USD")
    shop.place_order([], fees={"Service only": "333.33"}, status="completed")
    shop.delete_product(gone.id)
    for order in list(shop.orders.values())[:2]:
        shop.refund_order(order.id, lines={order.lines[0].id: 1}, reason="Broken")
    shop.set_order_status(next(iter(shop.orders)), "refunded")
    return shop


@pytest.fixture
def woo(rich: Shop, connect: Connect) -> httpx.AsyncClient:
    return connect(create_app(rich))


async def _variations(woo: httpx.AsyncClient) -> list[Any]:
    products = (await woo.get("/wp-json/wc/v3/products", params={"type": "variable"})).json()
    return [row for product in products for row in await _all(f"products/{product['id']}/variations")(woo)]


async def _refunds(woo: httpx.AsyncClient) -> list[Any]:
    orders = (await woo.get("/wp-json/wc/v3/orders")).json()
    return [row for order in orders for row in await _all(f"orders/{order['id']}/refunds")(woo)]


def _all(path: str) -> Callable[[httpx.AsyncClient], Any]:
    async def get(woo: httpx.AsyncClient) -> list[Any]:
        answer = await woo.get(f"/wp-json/wc/v3/{path}")
        found = answer.json()
        return found if isinstance(found, list) else [found]

    return get


@pytest.mark.parametrize(
    ("pattern", "get"),
    [
        ("orders_p?.json", _all("orders?per_page=100")),
        ("customers_p1.json", _all("customers?role=all")),
        ("products_p1.json", _all("products")),
        ("variations_[0-9]*.json", _variations),
        ("refunds_[0-9]*.json", _refunds),
        ("reports_orders_totals.json", _all("reports/orders/totals")),
        ("setting_currency.json", _all("settings/general/woocommerce_currency?_fields=id,value,default")),
        ("settings_general.json", _all("settings/general?_fields=id,label,type,value")),
        ("system_status_settings.json", _all("system_status?_fields=settings")),
        (
            "system_status_env.json",
            _all("system_status?_fields=environment.version,environment.wp_version,"
                 "environment.default_timezone,environment.language"),
        ),
        ("data_currencies_current.json", _all("data/currencies/current")),
    ],
)  # fmt: skip
async def test_the_shape_is_that_of_the_recorded_answers(
    woo: httpx.AsyncClient, pattern: str, get: Callable[[httpx.AsyncClient], Any]
):
    recorded: list[Any] = []
    for path in sorted(RECORDED.glob(pattern)):
        body = json.loads(path.read_bytes())
        recorded += body if isinstance(body, list) else [body]
    ours = await get(woo)
    assert recorded
    assert ours
    assert differences(collect(ours), collect(recorded)) == []


async def test_everything_that_orders_have_is_compared(woo: httpx.AsyncClient):
    """So that the shapes of lines, fees and coupons are not equal for being empty."""
    ours = collect((await woo.get("/wp-json/wc/v3/orders")).json())
    for name in ("line_items", "shipping_lines", "fee_lines", "coupon_lines", "tax_lines", "refunds", "meta_data"):
        assert f".{name}[]" in ours


async def test_the_index_is_readable_without_a_key(rich: Shop, connect: Connect):
    woo = connect(create_app(rich), auth=None)
    recorded = index()["root_index"]
    answer = await woo.get(recorded["path"])
    assert answer.status_code == 200
    assert answer.json()["timezone_string"] == "Asia/Dhaka"
    assert answer.json()["gmt_offset"] == 6
    assert differences(collect([answer.json()]), collect([read(recorded["body_file"])])) == []


@pytest.mark.parametrize(
    "name",
    [
        "orders_statuses_404", "orders_bad_status_400", "orders_per_page_101_400", "orders_page_0_400",
        "order_unknown_404", "product_unknown_404", "customer_unknown_404", "route_unknown_404",
        "modified_after_bad_400", "modified_after_date_only", "variations_of_unknown_product",
        "refunds_of_unknown_order", "modified_after_future", "order_hard_deleted_404",
    ],
)  # fmt: skip
async def test_refusals_are_word_for_word(woo: httpx.AsyncClient, rich: Shop, name: str):
    recorded = index()[name]
    path = recorded["path"].replace("orders/266", "orders/999998")
    answer = await woo.get(path)
    assert answer.status_code == recorded["status"]
    assert answer.json() == read(recorded["body_file"])
    known = {key.lower() for key, _ in recorded["headers"]} - IGNORED_HEADERS
    assert known - set(answer.headers) == set()
    assert ("x-wp-total" in answer.headers) == ("x-wp-total" in known)


async def test_a_variation_that_is_gone(woo: httpx.AsyncClient, rich: Shop):
    product = next(product for product in rich.products.values() if product.variations)
    answer = await woo.get(f"/wp-json/wc/v3/products/{product.id}/variations/999999")
    assert (answer.status_code, answer.json()) == (404, read("variation_deleted_404.json"))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("orders_no_key_401", {"auth": None}),
        ("orders_wrong_key_401", {"auth": ("ck_unknown", "cs_test")}),
        ("orders_wrong_secret_401", {"auth": ("ck_test", "cs_wrong")}),
        ("orders_query_string_wrong_401",
         {"auth": None, "params": {"consumer_key": "ck_test", "consumer_secret": "cs_wrong"}}),
    ],
)  # fmt: skip
async def test_the_ways_of_having_no_key(rich: Shop, connect: Connect, name: str, options: dict[str, Any]):
    recorded = index()[name]
    answer = await connect(create_app(rich), **options).get("/wp-json/wc/v3/orders?per_page=1")
    assert (answer.status_code, answer.json()) == (401, read(recorded["body_file"]))
    known = {key.lower() for key, _ in recorded["headers"]} - IGNORED_HEADERS
    assert known - set(answer.headers) == set()


async def test_headers_of_a_page(woo: httpx.AsyncClient):
    recorded = {key.lower(): value for key, value in index()["orders_p2"]["headers"]}
    answer = await woo.get("/wp-json/wc/v3/orders?status=any&per_page=2&orderby=id&order=asc&page=2")
    assert set(recorded) - IGNORED_HEADERS <= set(answer.headers)
    assert answer.headers["x-wp-total"] == "6"
    assert answer.headers["x-wp-totalpages"] == "3"
    expected = recorded["link"].replace("https://127.0.0.1:8090", "https://shop.example").replace("100", "2")
    assert answer.headers["link"] == expected


async def test_headers_past_the_end(woo: httpx.AsyncClient):
    recorded = {key.lower(): value for key, value in index()["orders_past_end"]["headers"]}
    answer = await woo.get("/wp-json/wc/v3/orders?status=any&per_page=2&orderby=id&order=asc&page=9")
    assert answer.json() == []
    assert (answer.headers["x-wp-total"], answer.headers["x-wp-totalpages"]) == ("6", "3")
    expected = recorded["link"].replace("https://127.0.0.1:8090", "https://shop.example")
    assert answer.headers["link"] == expected.replace("per_page=100", "per_page=2").replace("page=5", "page=3")


def test_oauth_is_signed_as_a_real_store_accepts_it():
    (recorded,) = (each for each in read("plain_http/index.json") if each["name"] == "oauth1_over_http")
    path, _, query = recorded["path"].partition("?")
    items = parse_qsl(query)
    secret = dict(parse_qsl(index()["orders_query_string_keys"]["path"]))["consumer_secret"]
    unsigned = [(name, value) for name, value in items if name != "oauth_signature"]
    assert sign_request("GET", f"http://127.0.0.1:8090{path}", unsigned, secret) == dict(items)["oauth_signature"]


def _deliveries() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read("webhooks/index.json")["deliveries"] if RECORDED.is_dir() else []
    return found


@pytest.mark.parametrize("topic", ["order.created", "order.updated", "customer.created", "product.updated"])
def test_deliveries_look_like_recorded_ones(rich: Shop, topic: str):
    webhooks = WooWebhooks(rich)
    webhooks.subscribe(topic, "https://receiver.example/hooks")
    variation = next(iter(rich.variations.values()))
    rich.update_variation(variation.id, price="21")
    order = rich.place_order([(variation.id, 1)], status="pending")
    rich.set_order_status(order.id, "completed")
    rich.add_customer("hook@example.com", "Hook")
    _, *ours = webhooks.take()
    recorded = [each for each in _deliveries() if dict(each["headers"]).get("X-WC-Webhook-Topic") == topic]
    theirs = [json.loads((RECORDED / "webhooks" / each["body_file"]).read_bytes()) for each in recorded]
    # Few were recorded, but of the same shape as the answers to a GET; only variations have one of their own.
    theirs += {"order": read("orders_p1.json"), "product": read("products_p1.json")}.get(topic.partition(".")[0], [])
    bodies = [json.loads(delivery.body) for delivery in ours]
    assert bodies
    for is_variation in (False, True):
        alike = [
            [body for body in group if "id" in body and (body.get("type") == "variation") == is_variation]
            for group in (bodies, theirs)
        ]
        assert differences(*map(collect, alike)) == []
    for delivery in ours:
        ignored = {"Host", "Accept", "Accept-Encoding", "Referer", "Connection", "Content-Length"}
        assert set(delivery.headers) == {key for key, _ in recorded[0]["headers"]} - ignored


def test_recorded_bytes_are_written_alike():
    """Escaping and spacing, which the signature is of."""
    from fakestores import phpjson
    from fakestores.woocommerce.webhooks import sign

    checked = 0
    for each in _deliveries():
        headers = dict(each["headers"])
        if "X-WC-Webhook-Signature" not in headers:
            continue
        body = (RECORDED / "webhooks" / each["body_file"]).read_bytes()
        assert phpjson.encode(json.loads(body)) == body
        assert sign(body, "whsec-test") == headers["X-WC-Webhook-Signature"]
        checked += 1
    assert checked == 27


def test_pings_are_recorded_byte_for_byte(rich: Shop):
    webhooks = WooWebhooks(rich)
    recorded = _deliveries()[0]
    for _ in range(7):
        webhooks.subscribe("order.created", "https://receiver.example/hooks")
    ping = webhooks.take()[-1]
    assert ping.body == (RECORDED / "webhooks" / recorded["body_file"]).read_bytes()
    assert ping.headers["Content-Type"] == dict(recorded["headers"])["Content-Type"]


async def test_webhooks_are_registered_as_recorded(rich: Shop, connect: Connect):
    recorded = json.loads((RECORDED / "webhooks/rest/index.json").read_bytes())[0]
    answer = await connect(create_app(rich)).post("/wp-json/wc/v3/webhooks", json=recorded["request_json"])
    assert answer.status_code == recorded["status"]
    body = json.loads(Path(RECORDED / "webhooks/rest" / recorded["body_file"]).read_bytes())
    assert differences(collect([answer.json()]), collect([body])) == []
    assert answer.json()["hooks"] == body["hooks"]
    assert {key.lower() for key, _ in recorded["headers"]} - IGNORED_HEADERS <= set(answer.headers)


@pytest.mark.parametrize("folder", ["silent_edit", "hpos/silent_edit"])
def test_the_edits_that_move_a_date_are_the_recorded_ones(shop: Shop, folder: str):
    shop.silent_edits = "hpos" not in folder
    product = shop.add_product("Shirt", "100")
    jane = shop.add_customer("jane@example.com")
    order = shop.place_order([(product.id, 2)])
    refunds: list[int] = []
    steps: dict[str, Callable[[], object]] = {
        "quantity_changed": lambda: shop.edit_order(order.id, quantities={order.lines[0].id: 5}),
        "shipping_line_added": lambda: shop.edit_order(order.id, shipping_total="35"),
        "email_changed": lambda: shop.edit_order(order.id, email="new@example.com"),
        "customer_assigned": lambda: shop.edit_order(order.id, customer_id=jane.id),
        "meta_changed": lambda: shop.edit_order(order.id, meta=(("slot", "9"),)),
        "customer_note_changed": lambda: shop.edit_order(order.id, note="Ring"),
        "status_changed": lambda: shop.set_order_status(order.id, "completed"),
        "refund_posted": lambda: refunds.append(shop.refund_order(order.id, "10").id),
        "refund_deleted": lambda: shop.delete_refund(order.id, refunds[0]),
    }
    for recorded in read(f"{folder}/summary.json"):
        if recorded["step"] not in steps:
            continue
        webhooks = WooWebhooks(shop)
        webhooks.subscribe("order.updated", "https://receiver.example/hooks")
        before = order.modified_at
        shop.clock.advance(5)
        steps[recorded["step"]]()
        assert (order.modified_at > before) == recorded["date_modified_moved"], recorded["step"]
        if recorded["webhook_deliveries"] is not None:
            assert len(webhooks.take()) - 1 == recorded["webhook_deliveries"], recorded["step"]
