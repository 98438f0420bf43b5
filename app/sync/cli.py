"""`ecompredictor website …`: registering stores, asking them, and reading them."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.runtime.shell import run_on_database, validate
from app.sync.setup import run_on_stores

if TYPE_CHECKING:
    from app.database import Database
    from app.sync.platforms import SyncContext

website_app = typer.Typer(no_args_is_help=True, help="The websites that records come from, and following stores.")
Name = Annotated[str, typer.Argument(help="The website, as records name it.")]


@website_app.command("add")
def add_website(
    name: Name,
    platform: Annotated[str, typer.Argument(help="woocommerce or shopify.")],
    base_url: Annotated[str, typer.Argument(help="The store's address, such as https://shop.example.com.")],
    schedule: Annotated[
        str | None, typer.Option(help="When changes are read, as a cron line in UTC; 'never' for when asked only.")
    ] = None,
    status: Annotated[
        list[str] | None, typer.Option(help="What a status of the store's own means, such as ready-pickup=confirmed.")
    ] = None,
    credentials_file: Annotated[
        Path | None,
        typer.Option("--credentials", help="A JSON file with the keys, - for standard input. Asked for without it."),
    ] = None,
) -> None:
    """Register a store, ask it whether it can be read, and say so.

    Keys never stand on the command line, which other users of the machine can see.
    """
    from app.sync.stores import check_store
    from app.websites import service
    from app.websites.schemas import WebsiteCreate

    given: dict[str, Any] = {"name": name, "platform": platform, "base_url": base_url}
    if schedule is not None:
        given["schedule"] = None if schedule == "never" else schedule
    if status:
        given["status_map"] = dict(_split(each) for each in status)
    data = validate(WebsiteCreate, **given, **_read_keys(platform, credentials_file))

    async def work(sync: "SyncContext") -> bool:
        async with sync.database.sessions.begin() as session:
            await service.register_website(session, sync.vault, data)
        return _report_test(await check_store(sync, data.name))

    print(
        f"{data.name} is registered." if run_on_stores(work) else f"{data.name} is registered, but cannot be read yet."
    )


def _split(pair: str) -> tuple[str, str]:
    word, _, ours = pair.partition("=")
    return word, ours


def _read_keys(platform: str, file: Path | None) -> dict[str, Any]:
    """`credentials`, and `webhook_secret` where there is one."""
    import orjson

    from app.config import ConfigurationError

    if file is not None:
        text = sys.stdin.read() if str(file) == "-" else file.read_text()
        try:
            given = orjson.loads(text)
            secret = {"webhook_secret": given.pop("webhook_secret")} if "webhook_secret" in given else {}
        except (orjson.JSONDecodeError, AttributeError, TypeError):
            raise ConfigurationError("The credentials have to be a JSON object, such as the README shows.") from None
        return {"credentials": given} | secret
    names = ("client_id", "client_secret") if platform == "shopify" else ("consumer_key", "consumer_secret")
    keys = {name: typer.prompt(name, hide_input=True) for name in names}
    secret = typer.prompt("webhook_secret, empty for none", default="", hide_input=True, show_default=False)
    return {"credentials": keys} | ({"webhook_secret": secret} if secret else {})


@website_app.command("list")
def list_websites() -> None:
    """List the websites that records came from."""
    from app.websites import service

    async def work(database: "Database") -> None:
        async with database.reads() as session:
            for website in await service.list_websites(session):
                state = website.schedule or "when asked"
                followed = state if website.is_followed else "not followed"
                print(website.name, website.platform or "files", website.base_url or "-", followed, sep="\t")

    run_on_database(work)


@website_app.command("test")
def test_website(name: Name) -> None:
    """Ask a store whether it can be read."""
    from app.sync.stores import check_store

    async def work(sync: "SyncContext") -> bool:
        return _report_test(await check_store(sync, _name(name)))

    if not run_on_stores(work):
        raise typer.Exit(1)


def _report_test(result: dict[str, Any]) -> bool:
    if not result["ok"]:
        typer.echo(result["problem"], err=True)
        return False
    told = [result["currency"], result["time_zone"], f"version {result['version']}" if result["version"] else None]
    print(f"{result['name']} can be read ({', '.join(filter(None, told))}).", *result["notes"], sep="\n")
    return True


@website_app.command("sync")
def sync_websites(
    names: Annotated[list[str], typer.Argument(help="The websites, as records name them.")],
    everything: Annotated[bool, typer.Option(help="Read all there is, not only what has changed.")] = False,
    sweep: Annotated[bool, typer.Option(help="Compare a list of all there is with what is here.")] = False,
) -> None:
    """Read stores here and now, all at once, and show the reports. A run that was stopped goes on where it stood."""
    from app.sync import commands

    mode: Any = "sweep" if sweep else "everything" if everything else "changes"

    async def work(sync: "SyncContext") -> bool:
        return await commands.sync_now(sync, [_name(each) for each in names], mode)

    if not run_on_stores(work):
        raise typer.Exit(1)


@website_app.command("status")
def show_status(name: Name) -> None:
    """Show how far a store has been read, and whether all of it is here."""
    from app.sync import commands

    async def work(database: "Database") -> None:
        await commands.show_status(database, _name(name))

    run_on_database(work)


@website_app.command("reseal")
def reseal() -> None:
    """Seal all credentials under the present SECRET_KEY, after it was changed. PREVIOUS_SECRET_KEYS opens them."""
    from app.privacy.masks import reseal_erasure_key
    from app.websites import service

    async def work(sync: "SyncContext") -> int:
        async with sync.database.sessions.begin() as session:
            await reseal_erasure_key(session, sync.vault)
            return await service.reseal_all(session, sync.vault)

    print(f"Stores whose credentials were sealed anew: {run_on_stores(work)}")


def _name(given: str) -> str:
    from app.websites.schemas import WebsiteArgument

    return validate(WebsiteArgument, website=given).website
