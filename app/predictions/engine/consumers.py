"""What the consumers of one scope will do: models fitted and judged, everybody scored, and the rows written."""

from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from app.predictions.clv.histories import Consumers, Fold, plan_folds
from app.predictions.clv.predictor import Prediction
from app.predictions.clv.segments import RfmBreaks, rfm_breaks, rfm_groups, spend_cuts, spend_tiers
from app.predictions.clv.selection import ScopeModel, fit_scope
from app.predictions.engine import histories
from app.predictions.engine.histories import DAYS_A_WEEK, SAMPLE, Scope
from app.predictions.engine.progress import Progress
from app.predictions.engine.run import Run, partition, save_model
from app.predictions.engine.segments import describe_segments
from app.predictions.engine.transfer import Columns, write_columns

AT_A_TIME = 100_000

_STAGED = """
    CREATE TEMP TABLE scored (
        user_id int8, first_day int4, last_day int4, orders int8, purchase_days int8, recent_1 int2, recent_2 int2,
        recent_3 int2, amount float8, first_amount float8, gap float8, gap_deviation float8,
        predicted float8, predicted_lower float8, predicted_upper float8, spend float8, spend_lower float8,
        spend_upper float8, probability float8, p10 float8, p50 float8, p90 float8, rfm_group int2, rfm_r int2,
        rfm_f int2, rfm_m int2, tier int2
    )
"""
_INSERT = """
    INSERT INTO {partition}
    SELECT {run_id}, {model_id}, user_id, DATE '1970-01-01' + first_day, DATE '1970-01-01' + last_day, orders,
        purchase_days, ARRAY[recent_1, recent_2, recent_3], amount::numeric, first_amount::numeric,
        (amount / orders)::numeric, told.gap, told.gap_deviation, told.predicted, predicted_lower, predicted_upper,
        told.spend, spend_lower::numeric, spend_upper::numeric, amount::numeric(14, 2) + told.spend,
        told.probability, 1 - told.probability, told.spend * (1 - told.probability),
        DATE '1970-01-01' + p10::int4, DATE '1970-01-01' + p50::int4, DATE '1970-01-01' + p90::int4,
        ({groups}::text[])[rfm_group + 1], ARRAY[rfm_r, rfm_f, rfm_m], nullif(({tiers}::text[])[tier + 1], '')
    FROM (SELECT {known} FROM scored) scored, LATERAL (
        SELECT round(gap::numeric, 4) AS gap, round(gap_deviation::numeric, 4) AS gap_deviation,
            round(predicted::numeric, 4) AS predicted, spend::numeric(14, 2) AS spend,
            round(probability::numeric, 4) AS probability
    ) told
"""
"""As it is shown, so that what a filter finds is what a reader sees."""


def predict(connection: psycopg.Connection[Any], run: Run, scope: Scope, progress: Progress) -> None:
    with progress.in_sql():
        histories.open_scope(connection, scope, run.today)
        groups = histories.read_groups(connection)
        consumers, found = histories.read_consumers(connection)
        folds = _read_folds(connection, run, groups.span, groups.consumers)
        prospects = histories.count_prospects(connection, scope)
    if not groups.size:
        return
    model = fit_scope(groups, consumers, folds, seed=run.seed, with_boosting=True)
    del groups, folds
    prediction = _predict_all(model, consumers, run.horizon_days / DAYS_A_WEEK)
    breaks = rfm_breaks(consumers) if consumers.size else None
    model_id = save_model(
        connection,
        run,
        "consumers",
        website=scope.source_website,
        currency=scope.currency,
        subjects=consumers.size,
        status=model.status,
        notes=[*model.notes, model.seasonality_note(run.horizon_days / DAYS_A_WEEK)],
        parameters=_parameters(model, prediction)
        | {"prospects": prospects, "segments": describe_segments(consumers, prediction, breaks) if breaks else None},
        scorecard=model.scorecard,
        state=model.to_json() | {"rfm": breaks.to_json() if breaks else None},
    )
    if breaks is None:
        return
    columns = _columns(run, consumers, found, prediction, breaks)
    with progress.in_sql():
        _write(connection, run, model_id, *columns)


def _read_folds(connection: psycopg.Connection[Any], run: Run, span: float, consumers: float) -> list[Fold]:
    first_day = run.today - round(span * DAYS_A_WEEK)
    share = min(1.0, SAMPLE / consumers) if consumers else 1.0
    return [
        histories.read_fold(
            connection,
            first_day=first_day,
            origin=first_day + round(origin * DAYS_A_WEEK),
            horizon=round(horizon * DAYS_A_WEEK),
            share=share,
            seed=run.seed,
        )
        for origin, horizon in plan_folds(span, run.horizon_days / DAYS_A_WEEK)
    ]


def _predict_all(model: ScopeModel, consumers: Consumers, horizon: float) -> Prediction:
    """Some at a time, so that what is needed on the way is small."""
    parts = [
        model.predict(consumers.take(slice(start, start + AT_A_TIME)), horizon)
        for start in range(0, max(consumers.size, 1), AT_A_TIME)
    ]
    return Prediction(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])})


def _parameters(model: ScopeModel, prediction: Prediction) -> dict[str, Any]:
    """For people; the scorecard and the notes stand beside it."""
    about = {name: value for name, value in model.describe().items() if name not in {"status", "notes", "scorecard"}}
    totals = {"orders": prediction.orders.sum(), "spend": prediction.spend.sum()}
    return about | {
        "expected": {key: round(float(sum_), 2) if np.isfinite(sum_) else None for key, sum_ in totals.items()}
    }


def _columns(
    run: Run, consumers: Consumers, found: Columns, prediction: Prediction, breaks: RfmBreaks
) -> tuple[list[tuple[str, str, NDArray[Any]]], list[str], list[str]]:
    """With the names that the numbers of groups and tiers stand for."""
    first = run.today - found["age"]
    gap = np.full(consumers.size, np.nan)
    np.divide(found["recency"], found["frequency"], out=gap, where=found["frequency"] > 0)
    groups, group = np.unique(rfm_groups(consumers, breaks), return_inverse=True)
    tiers, tier = np.unique(spend_tiers(prediction.spend, spend_cuts(prediction.spend)), return_inverse=True)
    columns = [
        ("user_id", "int8", found["user_id"]),
        ("first_day", "int4", first),
        ("last_day", "int4", first + found["recency"]),
        ("orders", "int8", found["orders"]),
        ("purchase_days", "int8", found["frequency"] + 1),
        *((f"recent_{n}", "int2", found[f"recent_{n}"]) for n in (1, 2, 3)),
        ("amount", "float8", consumers.amount),
        ("first_amount", "float8", consumers.first_amount),
        ("gap", "float8", gap),
        ("gap_deviation", "float8", found["gap_deviation"]),
        ("predicted", "float8", prediction.orders),
        ("predicted_lower", "float8", prediction.orders_lower),
        ("predicted_upper", "float8", prediction.orders_upper),
        ("spend", "float8", prediction.spend),
        ("spend_lower", "float8", prediction.spend_lower),
        ("spend_upper", "float8", prediction.spend_upper),
        ("probability", "float8", prediction.probability),
        *((name, "float8", _days_after(run.today, getattr(prediction, f"next_order_{name}"))) for name in DATES),
        ("rfm_group", "int2", group),
        *((f"rfm_{letter}", "int2", scores) for letter, scores in zip("rfm", breaks.scores(consumers), strict=True)),
        ("tier", "int2", tier),
    ]
    return columns, groups.tolist(), tiers.tolist()


DATES = ("p10", "p50", "p90")


def _days_after(today: int, weeks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Whole days from 1970-01-01, the day after `today` at the earliest; NaN stays."""
    days: NDArray[np.float64] = today + np.maximum(np.ceil(weeks * DAYS_A_WEEK), 1.0)
    return days


def _write(
    connection: psycopg.Connection[Any],
    run: Run,
    model_id: int,
    columns: list[tuple[str, str, NDArray[Any]]],
    groups: list[str],
    tiers: list[str],
) -> None:
    connection.execute("DROP TABLE IF EXISTS scored")
    connection.execute(_STAGED)
    write_columns(connection, "scored", columns)
    known = ", ".join(f"nullif({name}, 'NaN') AS {name}" if kind == "float8" else name for name, kind, _ in columns)
    connection.execute(
        sql.SQL(_INSERT).format(
            partition=sql.Identifier(partition("consumer_predictions", run.id)),
            run_id=sql.Literal(run.id),
            model_id=sql.Literal(model_id),
            known=sql.SQL(known),
            groups=sql.Literal(groups),
            tiers=sql.Literal(tiers),
        )
    )
    connection.execute("DROP TABLE scored")
