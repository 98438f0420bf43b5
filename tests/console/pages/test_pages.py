"""The pages of figures over HTTP: each tells what the services told, and does what they allow."""

import re
from decimal import Decimal
from types import SimpleNamespace

import httpx
import pytest
from sqlalchemy import text

from app.console.pages.consumer import _draw_months
from app.database import Database
from app.predictions import jobs
from tests.console.conftest import read_token
from tests.console.pages.conftest import AS_OF

PAGES = ("", "predictions", "upload", "stores", "stores/shop", "consumer/1", "product/1")


@pytest.mark.parametrize("path", PAGES)
async def test_strangers_are_sent_to_the_form(visitor: httpx.AsyncClient, path: str):
    answer = await visitor.get(path)
    assert answer.status_code == 303
    assert "/console/login" in answer.headers["location"]


@pytest.mark.parametrize("path", PAGES)
async def test_each_page_is_there(pages: httpx.AsyncClient, path: str):
    answer = await pages.get(path)
    assert answer.status_code == 200
    assert "nonce-" in answer.headers["content-security-policy"]
    assert "style=" not in re.sub(r'data-(series|options)="[^"]*"', "", answer.text)


@pytest.mark.parametrize("path", ["consumer/999999999", "product/999999999", "stores/nowhere", "upload/999999999"])
async def test_what_is_not_there(pages: httpx.AsyncClient, path: str):
    answer = await pages.get(path)
    assert answer.status_code == 404
    assert "There is no" in answer.text


@pytest.mark.parametrize(("path", "item"), [("", "Overview"), ("stores", "Stores"), ("stores/shop", "Stores")])
async def test_the_menu_shows_where_one_is(pages: httpx.AsyncClient, path: str, item: str):
    page = (await pages.get(path)).text
    assert re.findall(r'aria-current="page">.*?nav-link-title">([^<]+)<', page, re.DOTALL) == [item]


def test_months_without_a_purchase_are_months_too():
    months = [SimpleNamespace(month=name, currency="EUR", spent=Decimal(7)) for name in ("2025-11", "2026-02")]
    drawn = _draw_months(months)
    assert drawn["options"]["xaxis"]["categories"] == ["2025-11", "2025-12", "2026-01", "2026-02"]
    assert drawn["series"] == [{"name": "EUR", "data": [7.0, 0.0, 0.0, 7.0]}]
    assert _draw_months([])["series"] == []


async def post(client: httpx.AsyncClient, path: str, **form: str) -> httpx.Response:
    token = await read_token(client, "stores")
    return await client.post(path, data={"csrftoken": token, **form}, follow_redirects=True)


@pytest.mark.parametrize(
    "path", ["predictions/run", "stores/add", "stores/shop/sync", "stores/shop/settings", "upload/1/retry"]
)
async def test_nothing_is_done_without_a_form_of_ours(pages: httpx.AsyncClient, path: str):
    assert (await pages.post(path, data={"name": "x"})).status_code == 403


class TestOverview:
    async def test_figures(self, pages: httpx.AsyncClient, shop: Database):
        page = (await pages.get("", params={"currency": "EUR", "first": "2025-01-01", "last": "2025-03-31"})).text
        async with shop.reads() as session:
            revenue, orders = (
                await session.execute(
                    text(
                        "SELECT sum(total_amount - refunded_total), count(*) FROM orders WHERE currency = 'EUR'"
                        " AND status IN ('confirmed', 'shipped', 'delivered') AND NOT is_test"
                        " AND total_amount > refunded_total AND placed_at >= '2025-01-01' AND placed_at < '2025-04-01'"
                    )
                )
            ).one()
        told = dict(re.findall(r'data-stat="(\w+)">([^<]+)<', page))
        assert Decimal(told["revenue"].replace(",", "")) == revenue
        assert int(told["orders"].replace(",", "")) == orders > 100

    async def test_an_old_address_still_opens(self, pages: httpx.AsyncClient):
        answer = await pages.get("", params={"first": "2025-13-01", "last": "never", "currency": "euro"})
        assert answer.status_code == 200
        assert "Best sellers" in answer.text

    async def test_without_any_order(self, console: httpx.AsyncClient):
        page = (await console.get("")).text
        assert "Nothing has been sold yet" in page
        assert "import a file" in page


class TestPredictions:
    async def test_scorecards_segments_and_calls(self, pages: httpx.AsyncClient):
        page = (await pages.get("predictions")).text
        assert f"from everything up to {AS_OF}" in page
        assert "orders poisson deviance" in page
        assert "Champions" in page
        assert re.search(r"usually buys every \d+ ± \d+ days", page)
        other = (await pages.get("predictions", params={"source_website": "outlet", "currency": "GBP"})).text
        assert 'aria-current="true"' in other

    async def test_before_the_first_run(self, console: httpx.AsyncClient):
        page = (await console.get("predictions")).text
        assert "Nothing has been predicted yet" in page

    async def test_start_and_cancel(self, pages: httpx.AsyncClient, shop: Database):
        page = await post(pages, "predictions/run")
        assert "A run has been queued." in page.text
        async with shop.reads() as session:
            run_id = await session.scalar(text("SELECT max(id) FROM prediction_runs WHERE status = 'queued'"))
        assert f"predictions/runs/{run_id}/events" in page.text
        assert "has been cancelled" in (await post(pages, f"predictions/runs/{run_id}/cancel")).text
        assert "can be cancelled" in (await post(pages, "predictions/runs/1/cancel")).text
        told = (await pages.get(f"predictions/runs/{run_id}/events")).text
        assert told.startswith("event: end")

    async def test_without_the_libraries(self, pages: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(jobs, "can_predict", lambda: False)
        assert "ecompredictor[predict]" in (await post(pages, "predictions/run")).text

    async def test_as_a_file(self, pages: httpx.AsyncClient):
        answer = await pages.get("predictions/consumers.csv", params={"rfm_group": "LOYAL"})
        assert answer.headers["content-type"].startswith("text/csv")
        assert answer.text.splitlines()[0].startswith("user_id,name,email,rfm_group")
        assert all(",LOYAL," in line for line in answer.text.splitlines()[1:])


class TestConsumer:
    async def test_forecast_over_another_horizon(self, pages: httpx.AsyncClient):
        year = (await pages.get("consumer/7")).text
        month = (await pages.get("consumer/7", params={"horizon_days": 30})).text
        assert "What to expect" in year
        assert year != month
        assert "0 days" in month

    async def test_without_predictions(self, console: httpx.AsyncClient, clerk: object):
        users = await console.get("consumers/list")
        assert users.status_code == 200


class TestProduct:
    async def test_forecast_and_advice(self, pages: httpx.AsyncClient):
        page = (await pages.get("product/3", params={"stock": "0", "lead_time_days": "30"})).text
        assert "When to order it again" in page
        quantity = re.search(r'id="reorder_quantity">([\d,]+)<', page)
        assert quantity is not None
        assert int(quantity[1].replace(",", "")) > 0
        assert 'data-values-of="demand"' in page
        plenty = (await pages.get("product/3", params={"stock": "100000"})).text
        assert 'id="reorder_quantity">0<' in plenty


class TestStores:
    KEYS = {"consumer_key": "ck_1", "consumer_secret": "cs_secret_1"}  # noqa: RUF012

    async def test_a_store_from_adding_to_leaving(self, pages: httpx.AsyncClient, shop: Database):
        added = await post(
            pages, "stores/add", name="Rise", platform="woocommerce", base_url="https://rise.example", **self.KEYS
        )
        assert added.url.path == "/console/stores/rise"
        assert "The store was added" in added.text
        assert "http://test/api/v1/webhooks/rise" in added.text
        assert "cs_secret_1" not in added.text
        again = await post(
            pages, "stores/add", name="rise", platform="woocommerce", base_url="https://rise.example", **self.KEYS
        )
        assert "is registered already" in again.text
        settings = {"base_url": "https://rise.example", "schedule": "0 * * * *", "status_map": "packed=confirmed"}
        saved = await post(pages, "stores/rise/settings", **settings)
        assert "Saved." in saved.text
        assert "packed=confirmed" in saved.text
        refused = await post(pages, "stores/rise/settings", **{**settings, "schedule": "sometimes"})
        assert "schedule" in refused.text
        assert "Saved." not in refused.text
        assert "The keys were replaced" in (await post(pages, "stores/rise/keys", **self.KEYS)).text
        started = await post(pages, "stores/rise/sync", mode="changes")
        assert "The store is being read." in started.text
        assert "orders: changes" in started.text
        async with shop.reads() as session:
            runs = await session.scalar(text("SELECT count(*) FROM imports WHERE source_website = 'rise'"))
        assert runs == 3
        assert "no longer" in (await post(pages, "stores/rise/active", is_active="false")).text
        assert "followed again" in (await post(pages, "stores/rise/active", is_active="true")).text

    async def test_what_the_service_refuses_is_a_sentence(self, pages: httpx.AsyncClient):
        refused = await post(pages, "stores/add", name="x", platform="shopify", base_url="no address")
        assert "client_id, client_secret, access_token" in refused.text
        refused = await post(pages, "stores/add", name="x", platform="shopify", base_url="no address", access_token="s")
        assert "https://shop.example.com" in refused.text
        assert "is no registered store" in (await post(pages, "stores/shop/sync", mode="changes")).text

    async def test_a_store_that_does_not_answer(self, pages: httpx.AsyncClient):
        await post(
            pages, "stores/add", name="gone", platform="woocommerce", base_url="https://gone.invalid", **self.KEYS
        )
        told = (await post(pages, "stores/gone/test")).text
        assert 'role="alert"' in told
