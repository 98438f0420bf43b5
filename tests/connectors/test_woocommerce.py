"""The WooCommerce connector beside what stores do: how it gets in, what it says when it does not, and reading by id."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pytest

from app.connectors.client import HttpOptions
from app.connectors.errors import StoreConfused, StoreError, StoreRefused, StoreUnavailable
from app.connectors.woocommerce import WooCommerce, open_woocommerce
from fakestores import faults as broken
from fakestores import woocommerce
from fakestores.faults import Faults
from fakestores.shop import Shop
from tests.sync.conftest import IMPATIENT, KEYS, make_shop
from tests.sync.test_runs import stock

HTTPS, HTTP = "https://rise.example/", "http://rise.example/"
FAKE_KEYS = {KEYS["consumer_key"]: KEYS["consumer_secret"]}


@asynccontextmanager
async def connect(
    shop: Shop, address: str = HTTPS, *, keys: dict[str, str] | None = None, **behaviour: Any
) -> AsyncIterator[WooCommerce]:
    app = woocommerce.create_app(shop, keys=FAKE_KEYS, **behaviour)
    transport = httpx.ASGITransport(app)
    async with open_woocommerce(
        address, keys or KEYS, {}, HttpOptions(patience=IMPATIENT), transport=transport
    ) as store:
        yield store


def answering(status: int = 200, **content: Any) -> httpx.MockTransport:
    return httpx.MockTransport(lambda _: httpx.Response(status, **content))


async def refusal(transport: httpx.AsyncBaseTransport, kind: type[StoreError] = StoreConfused) -> str:
    options = HttpOptions(patience=IMPATIENT)
    async with open_woocommerce(HTTPS, KEYS, {}, options, transport=transport) as store:
        with pytest.raises(kind) as raised:
            await store.describe()
    return str(raised.value)


class TestGettingIn:
    @pytest.mark.parametrize(
        ("address", "behaviour", "traits"),
        [
            (HTTPS, {}, {}),
            (HTTPS, {"drops_authorization": True}, {"auth": "query"}),
            (HTTP, {}, {}),  # OAuth 1.0a: the secret does not travel
        ],
    )
    async def test_a_good_key(self, address: str, behaviour: dict[str, Any], traits: dict[str, Any]):
        shop = make_shop()
        stock(shop)
        async with connect(shop, address, **behaviour) as store:
            told = await store.describe()
        assert (told.name, told.currency, told.time_zone) == ("Rise", "BDT", "Asia/Dhaka")
        assert told.traits == traits

    async def test_over_plain_http_the_secret_does_not_travel(self):
        seen: list[str] = []

        def answer(request: httpx.Request) -> httpx.Response:
            seen.append(f"{request.url} {request.headers}")
            return httpx.Response(200, json={"namespaces": ["wc/v3"]} if request.url.path.endswith("/wp-json/") else [])

        options = HttpOptions(patience=IMPATIENT)
        async with open_woocommerce(HTTP, KEYS, {}, options, transport=httpx.MockTransport(answer)) as store:
            await store.describe()
        assert any("oauth_signature" in each for each in seen)
        assert not any(KEYS["consumer_secret"] in each for each in seen)

    async def test_a_wrong_secret(self):
        async with connect(make_shop(), keys=KEYS | {"consumer_secret": "cs_of_another"}) as store:
            with pytest.raises(StoreRefused, match="not the secret"):
                await store.describe()

    @pytest.mark.parametrize(
        ("keys", "says"),
        [
            ({"consumer_key": "ck_of_nobody"}, "does not know the consumer key"),
            ({"consumer_secret": "cs_of_another"}, "does not accept our signature"),
        ],
    )
    async def test_wrong_keys_over_plain_http(self, keys: dict[str, str], says: str):
        async with connect(make_shop(), HTTP, keys=KEYS | keys) as store:
            with pytest.raises(StoreRefused, match=says):
                await store.describe()

    async def test_a_key_that_is_refused_over_plain_http_hints_at_tls(self):
        """What a site without TLS says to a right key that came in a header: the same as to a wrong one."""
        refused = {"code": "woocommerce_rest_cannot_view", "message": "Sorry, you cannot list resources."}

        def answer(request: httpx.Request) -> httpx.Response:
            is_index = request.url.path.endswith("/wp-json/")
            return (
                httpx.Response(200, json={"namespaces": ["wc/v3"]}) if is_index else httpx.Response(401, json=refused)
            )

        options = HttpOptions(patience=IMPATIENT)
        async with open_woocommerce(HTTP, KEYS, {}, options, transport=httpx.MockTransport(answer)) as store:
            with pytest.raises(StoreRefused, match="by https, give that address"):
                await store.describe()


class TestWhatIsNoStore:
    @pytest.mark.parametrize(
        ("answer", "says"),
        [
            ({"status": 404, "text": "<title>Not found</title>"}, "does not answer as WordPress does"),
            ({"status": 404, "json": {"errors": "Not Found"}}, "does not answer as WordPress does"),
            ({"status": 200, "json": {"namespaces": ["wp/v2"]}}, "WooCommerce's REST API v3 is not there"),
            ({"status": 301, "headers": {"Location": "https://www.rise.example/"}}, "www.rise.example"),
        ],
    )
    async def test_says_what_it_is(self, answer: dict[str, Any], says: str):
        assert says in await refusal(answering(**answer), StoreError)

    async def test_a_page_that_asks_to_log_in(self):
        assert "titled “Log in”" in await refusal(answering(text="<title>Log in</title>"), StoreUnavailable)


class TestReadingById:
    async def test_found_gone_and_failing(self):
        shop = make_shop()
        first, second, third, *_ = stock(shop, orders=4)
        shop.trash_order(second.id)
        shop.force_delete_order(third.id)
        faults = Faults(only=f"/orders/{first.id}$", script=[broken.error(502)])
        async with connect(shop, faults=faults) as store:
            found = await store.read_again("orders", [str(each.id) for each in (first, second, third)])
        assert {raw.payload["id"] for raw in found.raws} == {first.id, second.id}
        assert found.gone == [str(second.id), str(third.id)]
        assert found.failed == {}

    async def test_refunds_that_the_order_does_not_list(self):
        shop = make_shop()
        order, *_ = stock(shop)
        shop.refund_order(order.id, "5.00")
        async with connect(shop, embeds_refunds=False) as store:
            found = await store.read_again("orders", [str(order.id)])
        assert [refund["total"] for refund in found.raws[0].payload["refunds"]] == ["-5.00"]

    async def test_a_variable_product_is_whole(self):
        shop = make_shop()
        stock(shop)
        product = next(each for each in shop.products.values() if each.name == "Shirt")
        async with connect(shop) as store:
            found = await store.read_again("products", [str(product.id)])
        assert [raw.kind for raw in found.raws] == ["product", "variation", "variation"]
        assert found.children == {str(product.id): [str(each) for each in sorted(shop.variations)]}


async def test_behind_notices_and_marks():
    shop = make_shop()
    stock(shop, orders=120)
    faults = Faults(rate=1.0, kinds=("notice",), most_in_a_row=10**6)
    async with connect(shop, faults=faults) as store:
        read = [raw async for page in store.read("orders", None, None) for raw in page.raws]
    assert len(read) == 120


class TestNothingIsLost:
    @pytest.mark.parametrize(
        "answer",
        [
            httpx.Response(404, json={"code": "rest_no_route", "message": "No route was found"}),
            httpx.Response(404, text="<title>Not found</title>"),
            httpx.Response(200, json=[]),
        ],
    )
    async def test_what_a_broken_site_does_not_show_is_not_gone(self, answer: httpx.Response):
        """Without its plugin a site knows no route: none of its orders was deleted for that."""
        transport = answering(answer.status_code, headers=answer.headers, content=answer.content)
        options = HttpOptions(patience=IMPATIENT)
        async with open_woocommerce(HTTPS, KEYS, {}, options, transport=transport) as store:
            found = await store.read_again("orders", ["1"])
        assert (found.gone, list(found.failed)) == ([], ["1"])

    @pytest.mark.parametrize("resource", ["customers", "products", "orders"])
    async def test_what_is_gone_by_the_stores_own_word(self, resource: Any):
        async with connect(make_shop()) as store:
            assert (await store.read_again(resource, ["999"])).gone == ["999"]

    async def test_several_at_once_that_lose_their_header(self):
        shop = make_shop()
        placed = stock(shop, orders=4)
        async with connect(shop, drops_authorization=True) as store:
            found = await store.read_again("orders", [str(order.id) for order in placed])
        assert len(found.raws) == 4

    @pytest.mark.parametrize("moment", [datetime(1, 1, 2, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)])
    async def test_orders_with_an_odd_date(self, moment: datetime):
        shop = make_shop()
        odd, *_ = stock(shop, orders=3)
        odd.created_at = moment
        async with connect(shop) as store:
            read = [raw.payload["id"] async for page in store.read("orders", None, None) for raw in page.raws]
            swept = [each async for page in store.sweep("orders", None) for each in page.records]
        assert (len(read), len(swept)) == (3, 3)

    async def test_an_order_without_a_date(self):
        """The oldest has none, and stands in no window: they are read in one go."""
        shop = make_shop()
        stock(shop, orders=130)
        app = woocommerce.create_app(shop, keys=FAKE_KEYS)
        inner = httpx.ASGITransport(app)

        async def answer(request: httpx.Request) -> httpx.Response:
            given = await inner.handle_async_request(request)
            rows = orjson.loads(await given.aread())
            if request.url.path.endswith("/orders"):
                for row in rows:
                    row["date_created_gmt"] = None
            return httpx.Response(given.status_code, headers=given.headers, json=rows)

        options = HttpOptions(patience=IMPATIENT)
        async with open_woocommerce(HTTPS, KEYS, {}, options, transport=httpx.MockTransport(answer)) as store:
            pages = [page async for page in store.read("orders", None, None)]
            rest = [raw async for page in store.read("orders", None, pages[0].position) for raw in page.raws]
        assert sum(page.size for page in pages) == 130
        assert len(rest) == 130 - pages[0].size
