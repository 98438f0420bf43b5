"""What a run says of consumers agrees with their orders, and the record with what they did afterwards."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from app.database import Database
from app.predictions.clv.scorecard import area_under_curve
from app.predictions.consumers.scoring import predict_one
from app.predictions.models import ConsumerPrediction, PredictionModel, PredictionRun, RunStatus
from tests.predictions.conftest import predict
from tests.predictions.consumers.conftest import AS_OF, HORIZON, START, Bought, as_log

KNOWN = ((AS_OF - START).days + 1) / 7


async def fetch(database: Database, statement: str, **values: Any) -> list[Any]:
    async with database.reads() as session:
        return list((await session.execute(text(statement), values)).all())


async def read_model(database: Database, website: str | None, currency: str) -> PredictionModel:
    async with database.reads() as session:
        (found,) = await fetch(
            database,
            "SELECT id FROM prediction_models WHERE kind = 'consumers' AND source_website IS NOT DISTINCT FROM :website"
            " AND currency = :currency ORDER BY id LIMIT 1",
            website=website,
            currency=currency,
        )
        return await session.get_one(PredictionModel, found[0])


@pytest.mark.usefixtures("said")
@pytest.mark.parametrize("website", ["sailor", None])
async def test_histories_are_those_of_the_orders(shops: Database, orders: list[Bought], website: str | None):
    mine = [each for each in orders if each.currency == "USD" and website in (None, each.website)]
    log = as_log(mine)
    consumers, who = log.consumers(KNOWN)
    model = await read_model(shops, website, "USD")
    told = await fetch(
        shops,
        "SELECT user_id, purchase_days, first_order_on, last_order_on, historic_clv::float8, first_amount::float8,"
        " recent, average_days_between_orders FROM consumer_predictions WHERE model_id = :id ORDER BY user_id",
        id=model.id,
    )
    assert [row[0] for row in told] == who.tolist()
    assert [row[1] - 1 for row in told] == consumers.frequency.tolist()
    assert [(AS_OF - row[2]).days for row in told] == np.round(consumers.age * 7).tolist()
    assert [(row[3] - row[2]).days for row in told] == np.round(consumers.recency * 7).tolist()
    assert [row[4] for row in told] == pytest.approx(consumers.amount.tolist(), abs=0.01)
    assert [row[5] for row in told] == pytest.approx(consumers.first_amount.tolist(), abs=0.01)
    assert [row[6] for row in told] == consumers.recent.tolist()
    gaps = [row[7] for row in told if row[7] is not None]
    repeated = consumers.frequency > 0
    assert gaps == pytest.approx((consumers.recency * 7)[repeated] / consumers.frequency[repeated], abs=1e-4)


@pytest.mark.usefixtures("said")
async def test_several_orders_of_a_day_are_one_purchase(shops: Database, orders: list[Bought]):
    """The predictions count days with a purchase, the history counts orders."""
    known = [each for each in orders if each.website == "sailor" and each.day <= AS_OF]
    days = {(each.user, each.day) for each in known}
    assert len(days) < len(known)
    model = await read_model(shops, "sailor", "USD")
    sums = await fetch(
        shops,
        "SELECT sum(historic_number_of_orders), sum(purchase_days) FROM consumer_predictions WHERE model_id = :id",
        id=model.id,
    )
    assert sums == [(len(known), len(days))]


@pytest.mark.usefixtures("said")
async def test_each_scope_has_a_model_and_together_they_are_one(shops: Database):
    found = await fetch(
        shops,
        "SELECT source_website, currency, status, subjects FROM prediction_models WHERE kind = 'consumers' ORDER BY id",
    )
    assert [row[:2] for row in found] == [("outlet", "EUR"), ("rise", "USD"), ("sailor", "USD"), (None, "USD")]
    assert found[0][2] == "small", "37 buyers"
    assert found[2][2] == "ok"
    assert found[3][3] == found[1][3] + found[2][3] - 60, "those on both are one"


@pytest.mark.usefixtures("said")
async def test_what_is_said_is_in_order_and_there(shops: Database):
    wrong = await fetch(
        shops,
        """
        SELECT count(*) FROM consumer_predictions WHERE NOT (
            predicted_number_of_orders BETWEEN predicted_number_of_orders_lower AND predicted_number_of_orders_upper
            AND predicted_clv BETWEEN predicted_clv_lower AND predicted_clv_upper AND predicted_clv_lower >= 0
            AND probability_order_in_horizon BETWEEN 0 AND 1 AND total_clv = historic_clv + predicted_clv
            AND abs(probability_order_in_horizon + churn_probability - 1) < 1e-9
            AND (next_order_p50 IS NOT NULL) = (probability_order_in_horizon >= 0.5)
            AND (next_order_p50 IS NULL OR (next_order_p10 <= next_order_p50 AND next_order_p50 <= next_order_p90
                AND next_order_p10 > :as_of AND next_order_p90 <= :as_of + 91))
            AND rfm_group IS NOT NULL AND predicted_spend_tier IS NOT NULL
        )
        """,
        as_of=AS_OF,
    )
    assert wrong == [(0,)]
    assert (await fetch(shops, "SELECT count(*) > 1300 FROM consumer_predictions")) == [(True,)]


@pytest.mark.usefixtures("said")
async def test_the_record_is_what_they_did(shops: Database, orders: list[Bought]):
    mine = [each for each in orders if each.website == "sailor"]
    fold = as_log(mine).fold(KNOWN, HORIZON / 7)
    model = await read_model(shops, "sailor", "USD")
    outcomes = {
        measure: (window, predicted, actual, details)
        for measure, window, predicted, actual, details in await fetch(
            shops,
            "SELECT measure, window_days, predicted, actual, details FROM prediction_outcomes WHERE model_id = :id",
            id=model.id,
        )
    }
    told = np.array(
        await fetch(
            shops,
            "SELECT predicted_number_of_orders, probability_order_in_horizon, predicted_clv::float8"
            " FROM consumer_predictions WHERE model_id = :id ORDER BY user_id",
            id=model.id,
        )
    )
    window, predicted, actual, details = outcomes["orders"]
    assert window == HORIZON
    assert predicted == pytest.approx(told[:, 0].sum())
    assert actual == fold.actual_orders.sum() > 100
    assert outcomes["spend"][2] == pytest.approx(fold.actual_spend.sum(), abs=1)
    assert details["rmse"] == pytest.approx(np.sqrt(((told[:, 0] - fold.actual_orders) ** 2).mean()))
    assert details["auc"] == pytest.approx(area_under_curve(told[:, 1], (fold.actual_orders > 0).astype(float)))
    assert details["brier"] == pytest.approx(((told[:, 1] - (fold.actual_orders > 0)) ** 2).mean())
    assert details["rmse"] < details["naive_rmse"]
    assert details["auc"] > 0.7
    assert abs(predicted / actual - 1) < 0.15


async def test_one_consumer_is_predicted_again_to_the_same(shops: Database, said: PredictionRun):
    model = await read_model(shops, None, "USD")
    async with shops.reads() as session:
        for user_id in (1, 700, 1_150):
            found = await session.get_one(ConsumerPrediction, (said.id, model.id, user_id))
            again = predict_one(model.state, found, AS_OF, HORIZON)
            for name in (
                "predicted_number_of_orders",
                "probability_order_in_horizon",
                "predicted_number_of_orders_upper",
            ):
                assert again[name] == pytest.approx(getattr(found, name), abs=1e-4)
            assert again["predicted_clv"] == pytest.approx(float(found.predicted_clv or 0), abs=0.006)
            dates = again["expected_date_of_next_order"]
            assert (dates["p50"] if dates else None) == found.next_order_p50


async def test_a_run_is_repeated_from_its_seed(shops: Database, said: PredictionRun):
    again = await predict(shops, as_of=AS_OF, seed=said.seed, horizon_days=HORIZON)
    differing = await fetch(
        shops,
        """
        SELECT count(*) FROM consumer_predictions a JOIN prediction_models m ON m.id = a.model_id
        JOIN prediction_models n ON n.run_id = :again AND n.kind = m.kind AND n.currency = m.currency
            AND n.source_website IS NOT DISTINCT FROM m.source_website
        JOIN consumer_predictions b ON b.run_id = :again AND b.model_id = n.id AND b.user_id = a.user_id
        WHERE a.run_id = :first AND (a.predicted_clv <> b.predicted_clv OR a.rfm_group <> b.rfm_group
            OR a.predicted_number_of_orders IS DISTINCT FROM b.predicted_number_of_orders)
        """,
        first=said.id,
        again=again.id,
    )
    assert differing == [(0,)]


async def test_of_one_website_and_another_day(shops: Database):
    early = await predict(shops, as_of=START + timedelta(weeks=30), source_website="rise", horizon_days=28)
    assert early.status == RunStatus.SUCCEEDED
    found = await fetch(
        shops,
        "SELECT source_website, (SELECT max(last_order_on) FROM consumer_predictions p WHERE p.model_id = m.id) <= :day"
        " FROM prediction_models m WHERE run_id = :id AND kind = 'consumers'",
        id=early.id,
        day=early.as_of,
    )
    assert found == [("rise", True)]
    too_early = await predict(shops, as_of=START + timedelta(days=3), source_website="outlet")
    (status, notes) = (
        await fetch(
            shops,
            "SELECT status, notes FROM prediction_models WHERE run_id = :id AND kind = 'consumers'",
            id=too_early.id,
        )
    )[0]
    assert status == "too_few"
    assert "Predictions begin at 10 buyers" in notes[0]
    refused = await fetch(
        shops,
        "SELECT DISTINCT predicted_clv, churn_probability, predicted_spend_tier, next_order_p50"
        " FROM consumer_predictions WHERE run_id = :id",
        id=too_early.id,
    )
    assert refused == [(None, None, None, None)]


async def test_nothing_is_measured_of_days_that_no_order_is_known_of(shops: Database):
    """The orders end after 104 weeks, which is long ago."""
    late = await predict(shops, as_of=AS_OF, horizon_days=120, source_website="sailor")
    measured = "SELECT kind, window_days FROM prediction_outcomes o JOIN prediction_models m ON m.id = o.model_id"
    found = await fetch(shops, f"{measured} WHERE run_id = :id ORDER BY 1, 2", id=late.id)
    assert {window for kind, window in found if kind == "revenue"} == {7, 28, 90}
    assert "consumers" not in {kind for kind, _ in found}
