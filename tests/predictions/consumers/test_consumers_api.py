"""What is asked of predicted consumers over HTTP."""

import asyncio
import csv
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app.database import Database
from app.predictions import jobs
from app.predictions.consumers.schemas import PredictedFilters
from app.predictions.engine import execution
from app.predictions.models import PredictionRun
from tests.predictions.conftest import predict
from tests.predictions.consumers.conftest import AS_OF, HORIZON

PATHS = ("consumers", "consumers.csv", "consumers/1", "segments", "actions")


@pytest.mark.parametrize("path", PATHS)
async def test_anonymous(client: httpx.AsyncClient, path: str):
    assert (await client.get(f"/api/v1/predictions/{path}")).status_code == 401


@pytest.mark.parametrize("path", ["consumers", "consumers.csv", "segments", "actions"])
async def test_before_the_first_run(api: httpx.AsyncClient, path: str):
    answer = await api.get(f"/api/v1/predictions/{path}")
    assert answer.status_code == 404
    assert answer.json()["detail"].startswith("Nothing has been predicted yet")


@pytest.mark.parametrize("path", ["users?rfm_group=LOYAL", "products?demand_class=smooth"])
async def test_lists_cannot_be_filtered_by_it_either(api: httpx.AsyncClient, path: str):
    assert (await api.get(f"/api/v1/{path}")).status_code == 404


async def list_all(api: httpx.AsyncClient, **parameters: Any) -> list[dict[str, Any]]:
    page = (await api.get("/predictions/consumers", params={"size": 200, **parameters})).json()
    found = page["items"]
    while page["next_cursor"]:
        page = (await api.get("/predictions/consumers", params={"cursor": page["next_cursor"], "size": 200})).json()
        found += page["items"]
    return list(found)


class TestList:
    async def test_those_come_first_who_will_spend_most(self, shops_api: httpx.AsyncClient, said: PredictionRun):
        page = (await shops_api.get("/predictions/consumers")).json()
        assert page["scope"] | {"model_id": 0} == {
            "run_id": said.id, "as_of": str(AS_OF), "horizon_days": HORIZON, "model_id": 0,
            "source_website": None, "currency": "USD", "status": "ok",
        }  # fmt: skip
        spend = [float(each["predicted_clv"]) for each in page["items"]]
        assert spend == sorted(spend, reverse=True)
        assert page["items"][0]["predicted_spend_tier"] == "HIGH"
        assert "days ago" in page["items"][0]["reason"]

    async def test_a_website_and_a_currency_have_their_own(self, shops_api: httpx.AsyncClient):
        for given, expected in (
            ({"source_website": "rise"}, ("rise", "USD")),
            ({"currency": "eur"}, ("outlet", "EUR")),
        ):
            scope = (await shops_api.get("/predictions/consumers", params=given)).json()["scope"]
            assert (scope["source_website"], scope["currency"]) == expected
        unknown = await shops_api.get("/predictions/consumers", params={"currency": "JPY"})
        assert unknown.status_code == 404
        assert "in JPY" in unknown.json()["detail"]

    async def test_a_cursor_goes_through_all(self, shops_api: httpx.AsyncClient):
        total = (await shops_api.get("/predictions/consumers", params={"size": 1})).json()["total"]
        found = await list_all(shops_api, sort="-churn_probability")
        assert len({each["user_id"] for each in found}) == len(found) == total
        churn = [each["churn_probability"] for each in found]
        assert churn == sorted(churn, reverse=True)

    @pytest.mark.parametrize("name", ["expected_date_of_next_order", "average_days_between_orders"])
    async def test_what_lacks_the_figure_is_left_out(self, shops_api: httpx.AsyncClient, name: str):
        found = await list_all(shops_api, sort=name)
        values = [each[name]["p50"] if name.startswith("expected") else each[name] for each in found]
        assert 0 < len(values) < 1_000
        assert values == sorted(values)

    async def test_every_filter(self, shops_api: httpx.AsyncClient):
        everybody = await list_all(shops_api, sort="id")
        for name, given, matches in filter_cases(everybody):
            found = await list_all(shops_api, sort="id", **{name: given})
            assert [each["user_id"] for each in found] == [each["user_id"] for each in everybody if matches(each)], name
            assert 0 < len(found) < len(everybody), name

    async def test_the_same_filters_choose_users(self, shops_api: httpx.AsyncClient):
        everybody = await list_all(shops_api, sort="id")
        for name, given, matches in filter_cases(everybody):
            page = (await shops_api.get("/users", params={"sort": "id", "size": 200, name: given})).json()
            expected = [each["user_id"] for each in everybody if matches(each)]
            assert page["total"] == len(expected), name
            assert [each["id"] for each in page["items"]] == expected[:200], name
        of_rise = (await shops_api.get("/users", params={"source_website": "rise", "churn_probability_max": 1})).json()
        assert of_rise["total"] == len(await list_all(shops_api, source_website="rise"))

    async def test_filters_together(self, shops_api: httpx.AsyncClient):
        given: dict[str, Any] = {"rfm_group": "CHAMPIONS", "predicted_spend_tier": "HIGH", "churn_probability_max": 0.4}
        found = await list_all(shops_api, **given)
        assert found
        assert all(each["rfm_group"] == "CHAMPIONS" and each["churn_probability"] <= 0.4 for each in found)
        users = (await shops_api.get("/users", params=given)).json()
        assert {each["id"] for each in users["items"]} <= {each["user_id"] for each in found}
        assert users["total"] == len(found)

    @pytest.mark.parametrize(
        "given",
        [{"rfm_group": "NOBODY"}, {"churn_probability_min": 2}, {"sort": "name"}, {"next_order_to": "20260101"}],
    )
    async def test_impossible(self, shops_api: httpx.AsyncClient, given: dict[str, Any]):
        assert (await shops_api.get("/predictions/consumers", params=given)).status_code == 422


def filter_cases(everybody: list[dict[str, Any]]) -> Iterator[tuple[str, Any, Any]]:
    """Each filter with a value from the middle, and what it means."""
    for name in PredictedFilters.model_fields:
        field, _, bound = name.rpartition("_")
        if name in {"rfm_group", "predicted_spend_tier"}:
            yield name, everybody[0][name], lambda each, name=name: each[name] == everybody[0][name]
            continue
        read = reader(field)
        values = sorted(value for each in everybody if (value := read(each)) is not None)
        middle = values[len(values) // 2]
        at_least = bound in {"min", "from"}
        if at_least and middle == values[0]:
            middle = values[-1]
        if not at_least and middle == values[-1]:
            middle = values[0]

        def matches(each: dict[str, Any], read: Any = read, middle: Any = middle, at_least: bool = at_least) -> bool:
            value = read(each)
            return value is not None and (value >= middle if at_least else value <= middle)

        yield name, middle, matches


def reader(field: str) -> Any:
    if field == "next_order":
        return lambda each: (each["expected_date_of_next_order"] or {}).get("p50")
    if field == "last_order":
        return lambda each: each["last_order_on"]
    return lambda each: None if each[field] is None else float(each[field])


class TestCsv:
    async def test_the_whole_list(self, shops_api: httpx.AsyncClient):
        answer = await shops_api.get("/predictions/consumers.csv", params={"predicted_spend_tier": "HIGH"})
        assert answer.headers["content-type"].startswith("text/csv")
        assert 'filename="consumers.csv"' in answer.headers["content-disposition"]
        rows = list(csv.DictReader(answer.text.splitlines()))
        listed = await list_all(shops_api, predicted_spend_tier="HIGH")
        assert len(rows) == len(listed) > 200
        for row, each in zip(rows, listed, strict=True):
            for name in ("user_id", "email", "predicted_clv", "total_clv_upper", "reason", "last_order_on"):
                assert row[name] == str(each[name])
            assert row["next_order_p50"] == ((each["expected_date_of_next_order"] or {}).get("p50") or "")

    async def test_formulas_are_text(self, shops_api: httpx.AsyncClient, shops: Database):
        async with shops.sessions.begin() as session:
            await session.execute(text("""UPDATE users SET name = '=HYPERLINK("x")' WHERE id = 1150"""))
        answer = await shops_api.get("/predictions/consumers.csv", params={"source_website": "rise"})
        names = {row["user_id"]: row["name"] for row in csv.DictReader(answer.text.splitlines())}
        assert names["1150"] == """'=HYPERLINK("x")"""
        assert names["1151"] == "User 1151"

    async def test_of_products(self, shop_api: httpx.AsyncClient, run: PredictionRun):
        answer = await shop_api.get("/predictions/products.csv", params={"is_due": "true", "run_id": run.id})
        rows = list(csv.DictReader(answer.text.splitlines()))
        listed = (await shop_api.get("/predictions/products", params={"is_due": "true", "size": 200})).json()["items"]
        assert [int(row["product_id"]) for row in rows] == [each["product_id"] for each in listed]


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize(
    ("name", "given"),
    [("demand_class", "smooth"), ("expected_units_28_days_min", 20), ("urgency_max", 3), ("stockout_to", "2025-07-30")],
)
async def test_products_are_chosen_by_what_will_sell(shop_api: httpx.AsyncClient, name: str, given: Any):
    forecasts = (await shop_api.get("/predictions/products", params={"size": 200, name: given})).json()
    everything = (await shop_api.get("/predictions/products", params={"size": 200})).json()
    found = (await shop_api.get("/products", params={"size": 200, name: given, "is_active": "any"})).json()
    assert 0 <= forecasts["total"] < everything["total"]
    assert {each["id"] for each in found["items"]} >= {each["product_id"] for each in forecasts["items"]}
    outlet = {name: given, "source_website": "outlet", "is_active": "any"}
    assert {each["source_website"] for each in (await shop_api.get("/products", params=outlet)).json()["items"]} <= {
        "outlet"
    }


class TestOne:
    async def test_as_in_the_list(self, shops_api: httpx.AsyncClient):
        first = (await shops_api.get("/predictions/consumers", params={"size": 1})).json()["items"][0]
        found = (await shops_api.get(f"/predictions/consumers/{first['user_id']}")).json()
        assert {name: found[name] for name in first if not isinstance(first[name], float)} == {
            name: value for name, value in first.items() if not isinstance(value, float)
        }
        assert found["horizon_days"] == HORIZON
        assert found["model"]["scorecard"]["orders"]["rmse"] < found["model"]["scorecard"]["orders_naive"]["rmse"]

    async def test_over_any_horizon(self, shops_api: httpx.AsyncClient):
        first = (await shops_api.get("/predictions/consumers", params={"size": 1})).json()["items"][0]
        path = f"/predictions/consumers/{first['user_id']}"
        told = [
            (await shops_api.get(path, params={"horizon_days": days})).json() for days in (1, 7, 90, 91, 92, 365, 3650)
        ]
        for name in ("predicted_number_of_orders", "probability_order_in_horizon"):
            values = [each[name] for each in told]
            assert values == sorted(values)
            assert values[0] < values[-1]
        assert told[3]["predicted_number_of_orders"] == pytest.approx(first["predicted_number_of_orders"], abs=1e-3)
        assert told[2]["predicted_clv"] < told[3]["predicted_clv"] < told[4]["predicted_clv"]
        assert all(float(each["total_clv"]) > float(each["historic_clv"]) for each in told)
        assert (await shops_api.get(path, params={"horizon_days": 3651})).status_code == 422

    async def test_without_the_libraries(self, shops_api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(jobs, "can_predict", lambda: False)
        assert (await shops_api.get("/predictions/consumers/1", params={"horizon_days": HORIZON})).status_code == 200
        other = await shops_api.get("/predictions/consumers/1", params={"horizon_days": 7})
        assert other.status_code == 503

    async def test_in_each_scope(self, shops_api: httpx.AsyncClient):
        """One who buys on both websites has three answers."""
        orders = {
            website: (await shops_api.get("/predictions/consumers/1150", params={"source_website": website})).json()
            for website in ("sailor", "rise")
        }
        together = (await shops_api.get("/predictions/consumers/1150")).json()
        assert together["scope"]["source_website"] is None
        assert together["historic_number_of_orders"] == sum(
            each["historic_number_of_orders"] for each in orders.values()
        )
        assert orders["rise"]["scope"]["source_website"] == "rise"

    async def test_who_buys_in_another_currency(self, shops_api: httpx.AsyncClient):
        found = (await shops_api.get("/predictions/consumers/2001")).json()
        assert found["scope"]["currency"] == "EUR"
        assert found["model"]["status"] == "small"

    async def test_who_has_not_bought(self, shops_api: httpx.AsyncClient):
        found = (await shops_api.get("/predictions/consumers/3001")).json()
        assert (found["rfm_group"], found["predicted_clv"], found["historic_clv"]) == ("PROSPECTS", None, "0.00")
        assert found["reason"] == f"has not bought in USD up to {AS_OF}"
        assert (await shops_api.get("/predictions/consumers/999999")).status_code == 404

    async def test_who_cannot_be_followed(self, shops_api: httpx.AsyncClient, shops: Database):
        async with shops.sessions.begin() as session:
            await session.execute(text("UPDATE users SET is_active = false WHERE id = 3005"))
        for user_id, reason in ((4001, "without a name or an e-mail"), (3005, "deactivated")):
            found = (await shops_api.get(f"/predictions/consumers/{user_id}")).json()
            assert reason in found["reason"]
            assert (found["rfm_group"], found["historic_clv"], found["model"]) == (None, None, None)

    async def test_reasons(self, shops_api: httpx.AsyncClient):
        everybody = await list_all(shops_api, sort="id")
        kinds = {"bought once, ": 0, "bought twice, ": 0, "usually buys every ": 0}
        for each in everybody:
            beginning = next(kind for kind in kinds if each["reason"].startswith(kind))
            kinds[beginning] += 1
            assert (each["average_days_between_orders"] is None) == (beginning == "bought once, ")
        assert all(kinds.values())


class TestSegments:
    async def test_the_grid_holds_everybody(self, shops_api: httpx.AsyncClient):
        found = (await shops_api.get("/predictions/segments")).json()
        everybody = await list_all(shops_api, sort="id")
        for part in ("groups", "cells"):
            assert sum(each["consumers"] for each in found[part]) == len(everybody)
            spend = sum(float(each["predicted_clv"]) for each in everybody)
            assert sum(each["predicted_clv"] for each in found[part]) == pytest.approx(spend, rel=1e-3)
        for group in found["groups"]:
            mine = [each for each in everybody if each["rfm_group"] == group["rfm_group"]]
            assert group["consumers"] == len(mine)
        assert found["prospects"] == 5
        assert len({(cell["recency_score"], cell["fm_score"]) for cell in found["cells"]}) == len(found["cells"])


class TestActions:
    async def test_the_most_is_brought_back_first(self, shops_api: httpx.AsyncClient):
        found = (await shops_api.get("/predictions/actions", params={"limit": 20})).json()
        at_risk = [float(each["value_at_risk"]) for each in found["consumers"]]
        assert len(at_risk) == 20
        assert at_risk == sorted(at_risk, reverse=True)
        assert {each["rfm_group"] for each in found["consumers"]} <= {
            "AT_RISK", "ALMOST_LOST", "NEEDS_ATTENTION", "PREVIOUSLY_LOYAL"
        }  # fmt: skip
        for each in found["consumers"]:
            chance, odds = each["probability_order_in_horizon"], found["odds_ratio"]
            raised = odds * chance / (1 - chance + odds * chance)
            recovered = float(each["predicted_clv"]) * (raised / chance - 1)
            assert float(each["expected_value_recovered"]) == pytest.approx(recovered, rel=0.01, abs=0.02)

    async def test_of_chosen_groups(self, shops_api: httpx.AsyncClient):
        given: dict[str, Any] = {
            "rfm_group": ["LOYAL", "CHAMPIONS"],
            "odds_ratio": 2,
            "limit": 1000,
            "source_website": "sailor",
        }
        found = (await shops_api.get("/predictions/actions", params=given)).json()["consumers"]
        assert {each["rfm_group"] for each in found} == {"LOYAL", "CHAMPIONS"}
        assert (await shops_api.get("/predictions/actions", params={"odds_ratio": 1})).status_code == 422


async def test_a_run_is_watched(shops_api: httpx.AsyncClient, said: PredictionRun):
    told = (await shops_api.get(f"/predictions/runs/{said.id}/events")).text
    assert told.startswith("event: end")
    assert '"status":"succeeded"' in told
    assert (await shops_api.get("/predictions/runs/999999/events")).status_code == 404


@pytest.mark.usefixtures("said")
async def test_what_is_said_of_the_erased_is_forgotten(
    shops_api: httpx.AsyncClient, shops: Database, monkeypatch: pytest.MonkeyPatch
):
    exported = (await shops_api.get("/users/1200/export")).json()
    scopes = {(each["source_website"], each["currency"]) for each in exported["predictions"]}
    assert {(None, "USD"), ("sailor", "USD"), ("rise", "USD")} & scopes
    assert (await shops_api.post("/users/1200/erase")).status_code == 200
    count = text("SELECT count(*) FROM consumer_predictions WHERE user_id = :id")
    async with shops.reads() as session:
        assert await session.scalar(count, {"id": 1200}) == 0

    # Erased while a run that has read their orders goes on.
    publish = execution._publish
    loop = asyncio.get_running_loop()

    def erase_before(*arguments: Any) -> None:
        erased = asyncio.run_coroutine_threadsafe(shops_api.post("/users/1199/erase"), loop).result(30)
        assert erased.status_code == 200
        publish(*arguments)

    monkeypatch.setattr(execution, "_publish", erase_before)
    again = await predict(shops, as_of=AS_OF, source_website="sailor")
    async with shops.reads() as session:
        assert await session.scalar(count, {"id": 1199}) == 0
        others = text("SELECT count(*) FROM consumer_predictions WHERE run_id = :id")
        assert await session.scalar(others, {"id": again.id}) > 1_000
