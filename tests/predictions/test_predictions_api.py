"""What is asked of predictions over HTTP."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import event, text

from app.database import Database
from app.predictions import jobs
from app.predictions.models import PredictionRun
from app.utils.recent import Recent
from tests.predictions.conftest import AS_OF

PATHS = ("runs", "runs/1", "models", "products", "products/1", "revenue", "track-record")


@pytest.mark.parametrize("path", PATHS)
async def test_anonymous(client: httpx.AsyncClient, path: str):
    assert (await client.get(f"/api/v1/predictions/{path}")).status_code == 401


@pytest.mark.parametrize("path", ["models", "products", "revenue"])
async def test_before_the_first_run(api: httpx.AsyncClient, path: str):
    answer = await api.get(f"/api/v1/predictions/{path}")
    assert answer.status_code == 404
    assert answer.json()["detail"] == "Nothing has been predicted yet: start a run with POST /predictions/runs."


class TestRuns:
    async def test_start_look_and_cancel(self, api: httpx.AsyncClient):
        started = await api.post("/api/v1/predictions/runs", json={"seed": 5, "lead_time_days": 30})
        assert started.status_code == 202
        run = started.json()
        assert (run["status"], run["seed"], run["lead_time_days"]) == ("queued", 5, 30)
        path = started.headers["Location"]
        assert (await api.get(path)).json() == run
        cancelled = await api.post(f"{path}/cancel")
        assert cancelled.json()["status"] == "cancelled"
        assert (await api.post(f"{path}/cancel")).json() == cancelled.json()
        listed = (await api.get("/api/v1/predictions/runs", params={"status": "cancelled"})).json()
        assert [each["id"] for each in listed["items"]] == [run["id"]]

    @pytest.mark.parametrize(
        "body", [{"as_of": "2999-01-01"}, {"horizon_days": 0}, {"service_level": 1}, {"seed": -1}, {"sede": 1}]
    )
    async def test_impossible(self, api: httpx.AsyncClient, body: dict[str, Any]):
        answer = await api.post("/api/v1/predictions/runs", json=body)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == next(iter(body))

    async def test_unknown(self, api: httpx.AsyncClient):
        assert (await api.post("/api/v1/predictions/runs", json={"source_website": "nowhere"})).status_code == 404
        assert (await api.get("/api/v1/predictions/runs/9999999")).status_code == 404
        assert (await api.post("/api/v1/predictions/runs/9999999/cancel")).status_code == 404

    async def test_without_the_libraries(self, api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(jobs, "can_predict", lambda: False)
        answer = await api.post("/api/v1/predictions/runs")
        assert answer.status_code == 503
        assert "ecompredictor[predict]" in answer.json()["detail"]


@pytest.mark.usefixtures("run")
class TestProducts:
    async def test_the_most_urgent_come_first(self, shop_api: httpx.AsyncClient, run: PredictionRun):
        page = (await shop_api.get("/predictions/products", params={"size": 200})).json()
        assert page["run"] == {"id": run.id, "as_of": "2025-06-30", "lead_time_days": 14, "service_level": 0.95}
        urgency = [each["urgency"] for each in page["items"]]
        assert urgency == sorted(urgency)
        assert page["total"] == len(urgency) > 20

    async def test_a_cursor_goes_through_all(self, shop_api: httpx.AsyncClient):
        parameters: dict[str, Any] = {"sort": "-expected_units_28_days", "size": 35}
        seen = []
        while True:
            page = (await shop_api.get("/predictions/products", params=parameters)).json()
            seen += page["items"]
            if not page["next_cursor"]:
                break
            parameters = {"cursor": page["next_cursor"], "size": 35}
        assert len({each["product_id"] for each in seen}) == len(seen) == 90
        units = [each["expected_units_28_days"] for each in seen]
        assert units == sorted(units, reverse=True)

    async def test_filters(self, shop_api: httpx.AsyncClient):
        due = (await shop_api.get("/predictions/products", params={"is_due": "true"})).json()["items"]
        assert due
        assert all(each["urgency"] <= 0 for each in due)
        outlet = (await shop_api.get("/predictions/products", params={"source_website": "outlet"})).json()["items"]
        assert {each["source_website"] for each in outlet} == {"outlet"}
        assert (await shop_api.get("/predictions/products", params={"sort": "colour"})).status_code == 422
        assert (await shop_api.get("/predictions/products", params={"run_id": 999_999})).status_code == 404

    @pytest.mark.parametrize("kind", ["products", "consumers"])
    async def test_a_page_costs_a_statement_and_another_once_a_second(
        self, kind: str, shop_api: httpx.AsyncClient, shop: Database, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(shop, "answering", Recent[dict[str, Any]](seconds=60))
        sent: list[str] = []
        event.listen(shop.reading_engine.sync_engine, "before_cursor_execute", lambda *told: sent.append(str(told[2])))
        for statements in (2, 1):
            sent.clear()
            answer = await shop_api.get(f"/predictions/{kind}", params={"count": "none", "size": 5})
            assert answer.status_code == 200
            assert len([each for each in sent if "admin_users" not in each]) == statements

    async def test_one_product(self, shop_api: httpx.AsyncClient):
        first = (await shop_api.get("/predictions/products", params={"size": 1})).json()["items"][0]
        found = (await shop_api.get(f"/predictions/products/{first['product_id']}")).json()
        assert len(found["weeks"]) == 13
        assert [each["period_start"] for each in found["weeks"][:2]] == ["2025-07-01", "2025-07-08"]
        assert len(found["days"]) == 28
        week = sum(each["mean"] for each in found["days"][:7])
        assert week == pytest.approx(found["weeks"][0]["mean"], rel=1e-5)
        # The API answers without NumPy what the run computed with it.
        assert found["advice"]["reorder_point"] == pytest.approx(first["reorder_point"], abs=0.01)
        assert found["advice"]["urgency"] == pytest.approx(first["urgency"], abs=0.01)
        assert found["model"]["scorecard"]["forecast"]["wape_sum"] > 0

    async def test_advice_for_another_stock_and_service(self, shop_api: httpx.AsyncClient):
        first = (await shop_api.get("/predictions/products", params={"size": 1})).json()["items"][0]
        path = f"/predictions/products/{first['product_id']}"
        given = {"stock": 300, "lead_time_days": 40, "service_level": 0.99}
        plenty = (await shop_api.get(path, params=given)).json()["advice"]
        usual = (await shop_api.get(path)).json()["advice"]
        assert plenty["reorder_quantity"] == 0
        assert plenty["reorder_point"] > usual["reorder_point"]
        assert plenty["days_of_cover"] > usual["days_of_cover"]
        assert (await shop_api.get(path, params={"service_level": 1})).status_code == 422

    async def test_unknown(self, shop_api: httpx.AsyncClient):
        assert (await shop_api.get("/predictions/products/999999")).status_code == 404


@pytest.mark.usefixtures("run")
class TestRevenue:
    async def test_days_and_totals(self, shop_api: httpx.AsyncClient):
        answer = (await shop_api.get("/predictions/revenue", params={"days": 90})).json()
        assert [each["source_website"] for each in answer["forecasts"]] == ["market", "outlet", "shop"]
        for forecast in answer["forecasts"]:
            assert [each["day"] for each in forecast["days"]][-1] == (AS_OF + timedelta(days=90)).isoformat()
            total = sum(float(each["revenue"]) for each in forecast["days"][:28])
            assert forecast["totals"]["revenue"]["28"]["mean"] == pytest.approx(total, rel=1e-4)
            assert forecast["scorecard"]["revenue"]["origins"] == 7

    async def test_filters(self, shop_api: httpx.AsyncClient):
        answer = (await shop_api.get("/predictions/revenue", params={"currency": "eur", "days": 1})).json()
        assert [(each["source_website"], len(each["days"])) for each in answer["forecasts"]] == [("shop", 1)]
        assert (await shop_api.get("/predictions/revenue", params={"days": 91})).status_code == 422


@pytest.mark.usefixtures("run")
async def test_models_show_their_scorecards(shop_api: httpx.AsyncClient):
    answer = (await shop_api.get("/predictions/models", params={"kind": "demand"})).json()
    assert [each["source_website"] for each in answer["models"]] == ["market", "outlet", "shop"]
    for model in answer["models"]:
        assert model["scorecard"]["baselines"]["last_week"]["wape_sum"] > 0
        assert model["notes"]
        assert "state" not in model


@pytest.mark.usefixtures("run")
async def test_the_track_record_tells_what_came(shop_api: httpx.AsyncClient, shop: Database):
    told = (await shop_api.get("/predictions/track-record", params={"source_website": "shop"})).json()
    assert {(each["measure"], each["window_days"]) for each in told} == {
        ("units", 28), ("revenue", 7), ("revenue", 28), ("revenue", 90), ("orders", 7), ("orders", 28), ("orders", 90)
    }  # fmt: skip
    async with shop.reads() as session:
        counted = await session.scalar(text("SELECT count(*) FROM prediction_outcomes"))
    assert len((await shop_api.get("/predictions/track-record", params={"limit": 1000})).json()) == counted
