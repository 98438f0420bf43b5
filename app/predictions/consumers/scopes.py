"""Which run and model answers a question about consumers."""

from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.predictions import service
from app.predictions.models import ModelKind, PredictionModel, PredictionRun
from app.utils.errors import NotFound

Scope = tuple[PredictionRun, PredictionModel]


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


async def find_scope(
    session: AsyncSession,
    *,
    website: str | None = None,
    currency: str | None = None,
    run_id: int | None = None,
    model_id: int | None = None,
) -> Scope:
    """The model of a website, or of all together, in a currency, or in the one that most consumers paid in.

    Where a single website sells in a currency, its model is that of all of them. Raises NotFound.
    """
    run = await service.find_run(session, website, run_id)
    models = select_models(run, website, currency)
    if model_id is not None:
        models = models.where(PredictionModel.id == model_id)
    # All websites together have at least as many consumers as any of them.
    together = PredictionModel.source_website.is_(None).desc()
    order = (PredictionModel.subjects.desc(), together, PredictionModel.id)
    model: PredictionModel | None = await session.scalar(models.order_by(*order).limit(1))
    if model is None:
        where = f" on {website}" if website else ""
        raise NotFound(f"Run {run.id} knew of no consumers{where}{f' in {currency}' if currency else ''}.")
    return run, model


def select_models(run: PredictionRun, website: str | None, currency: str | None) -> Select[Any]:
    models = select(PredictionModel).where(
        PredictionModel.run_id == run.id, PredictionModel.kind == ModelKind.CONSUMERS
    )
    if currency is not None:
        models = models.where(PredictionModel.currency == currency)
    if website is not None:
        models = models.where(PredictionModel.source_website == website)
    return models
