"""`ecompredictor predict`: a run here and now, with the scorecard that it has to be believed by."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.runtime.shell import run_on_database, validate

if TYPE_CHECKING:
    from app.database import Database


def predict(
    as_of: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], metavar="DATE", help="From everything up to the end of this day."),
    ] = None,
    website: Annotated[str | None, typer.Option(help="Of this source website alone.")] = None,
    lead_time: Annotated[int, typer.Option(min=0, max=365, help="Days from ordering a product to having it.")] = 14,
    service_level: Annotated[float, typer.Option(help="How often a lead time passes without running out.")] = 0.95,
    seed: Annotated[int | None, typer.Option(help="Of another run, to repeat it.")] = None,
) -> None:
    """Predict anew, and show how such predictions did on this shop's own past."""
    from app.predictions import commands
    from app.predictions.schemas import RunCreate

    request = validate(
        RunCreate,
        as_of=as_of.date() if as_of else None,
        source_website=website,
        lead_time_days=lead_time,
        service_level=service_level,
        seed=seed,
    )

    async def work(database: "Database") -> Any:
        return await commands.predict_now(database, request)

    if not run_on_database(work):
        raise typer.Exit(1)
