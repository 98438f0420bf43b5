"""`ecompredictor predict`: a run here and now, with the scorecard that it has to be believed by."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.runtime.shell import run_on_database, validate

if TYPE_CHECKING:
    from app.database import Database

predict_app = typer.Typer(invoke_without_command=True, no_args_is_help=False)

Website = Annotated[str | None, typer.Option(help="Of this source website alone.")]


@predict_app.callback()
def predict(
    context: typer.Context,
    as_of: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], metavar="DATE", help="From everything up to the end of this day."),
    ] = None,
    website: Website = None,
    horizon: Annotated[int, typer.Option(min=1, max=3650, help="Days ahead that consumers are predicted for.")] = 365,
    lead_time: Annotated[int, typer.Option(min=0, max=365, help="Days from ordering a product to having it.")] = 14,
    service_level: Annotated[float, typer.Option(help="How often a lead time passes without running out.")] = 0.95,
    seed: Annotated[int | None, typer.Option(help="Of another run, to repeat it.")] = None,
) -> None:
    """Predict anew, and show how such predictions did on this shop's own past."""
    if context.invoked_subcommand is not None:
        return
    from app.predictions import commands
    from app.predictions.schemas import RunCreate

    request = validate(
        RunCreate,
        as_of=as_of.date() if as_of else None,
        source_website=website,
        horizon_days=horizon,
        lead_time_days=lead_time,
        service_level=service_level,
        seed=seed,
    )

    async def work(database: "Database") -> Any:
        return await commands.predict_now(database, request)

    if not run_on_database(work):
        raise typer.Exit(1)


@predict_app.command()
def consumer(
    email: Annotated[str, typer.Argument(help="Of the consumer.")],
    website: Website = None,
    currency: Annotated[str | None, typer.Option(help="Default: the one they ordered most in.")] = None,
    horizon: Annotated[int | None, typer.Option(min=1, max=3650, help="Days ahead; default: the run's.")] = None,
) -> None:
    """Show what the latest run says of one consumer."""
    from app.predictions import commands
    from app.predictions.consumers.schemas import ConsumerQuery

    request = validate(ConsumerQuery, source_website=website, currency=currency, horizon_days=horizon)

    async def work(database: "Database") -> Any:
        return await commands.show_consumer(database, email, request)

    run_on_database(work)
