"""Which run and model answers a question about consumers."""

from functools import lru_cache, partial
from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app.database import Database
from app.predictions import service
from app.predictions.consumers.schemas import ScopeReference
from app.predictions.models import ModelKind, PredictionModel, PredictionRun
from app.utils.errors import NotFound

Scope = tuple[PredictionRun, PredictionModel]


class Asked(NamedTuple):
    """What a request says of the scope; None leaves the choice."""

    website: str | None = None
    currency: str | None = None
    run_id: int | None = None
    model_id: int | None = None

    def given(self) -> frozenset[str]:
        return frozenset(name for name, value in self._asdict().items() if value is not None)


def describe_scope(scope: Scope) -> dict[str, Any]:
    """As `schemas.ScopeReference`."""
    run, model = scope
    return {
        "run_id": run.id,
        "as_of": run.as_of,
        "horizon_days": run.horizon_days,
        "model_id": model.id,
        "source_website": model.source_website,
        "currency": model.currency,
        "status": model.status,
    }


async def recall_reference(database: Database, asked: Asked) -> dict[str, Any]:
    """As `find_reference`, or as it was a moment ago."""
    return await service.recall(database, asked, partial(find_reference, asked=asked))


async def find_reference(connection: AsyncConnection, asked: Asked) -> dict[str, Any]:
    """As `schemas.ScopeReference`: the model of a website, or of all together, in a currency, or in the one that most
    consumers paid in.

    Where a single website sells in a currency, its model is that of all of them. Raises NotFound.
    """
    row = (await connection.execute(_select_reference(asked.given()), asked._asdict())).one_or_none()
    if row is not None:
        return dict(zip(ScopeReference.model_fields, row, strict=True))
    run = await service.find_run_reference(connection, asked.website, asked.run_id)
    where = f" on {asked.website}" if asked.website else ""
    in_currency = f" in {asked.currency}" if asked.currency else ""
    raise NotFound(f"Run {run['id']} knew of no consumers{where}{in_currency}.")


async def find_scope(session: AsyncSession, asked: Asked) -> Scope:
    """The same with all that is known of the run and the model. Raises NotFound."""
    reference = await find_reference(await session.connection(), asked)
    run = await session.get_one(PredictionRun, reference["run_id"])
    return run, await session.get_one(PredictionModel, reference["model_id"])


@lru_cache
def _select_reference(given: frozenset[str]) -> Select[Any]:
    run = service.select_answering_run(by_id="run_id" in given, by_website="website" in given)
    run_columns = run.with_only_columns(PredictionRun.id, PredictionRun.as_of, PredictionRun.horizon_days).subquery()
    models = select_models(given).join(run_columns, run_columns.c.id == PredictionModel.run_id)
    # All websites together have at least as many consumers as any of them.
    together = PredictionModel.source_website.is_(None).desc()
    columns = {
        "run_id": run_columns.c.id,
        "as_of": run_columns.c.as_of,
        "horizon_days": run_columns.c.horizon_days,
        "model_id": PredictionModel.id,
        "source_website": PredictionModel.source_website,
        "currency": PredictionModel.currency,
        "status": PredictionModel.status,
    }
    return (
        models.with_only_columns(*(columns[name] for name in ScopeReference.model_fields))
        .order_by(PredictionModel.subjects.desc(), together, PredictionModel.id)
        .limit(1)
    )


def select_models(given: frozenset[str]) -> Select[Any]:
    """Of consumers, by what of `Asked` is given, which is bound."""
    models = select(PredictionModel).where(PredictionModel.kind == ModelKind.CONSUMERS)
    conditions = {
        "currency": PredictionModel.currency == bindparam("currency"),
        "website": PredictionModel.source_website == bindparam("website"),
        "model_id": PredictionModel.id == bindparam("model_id"),
    }
    return models.where(*(condition for name, condition in conditions.items() if name in given))
