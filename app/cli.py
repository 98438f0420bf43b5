"""The command line. Heavy parts are imported inside the commands, so that `--help` answers at once."""

import platform
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from app import __version__
from app.predictions.cli import predict_app
from app.runtime.shell import explain, load_settings, run_on_database, validate
from app.sync.cli import website_app
from app.sync.setup import run_on_stores

if TYPE_CHECKING:
    from app.database import Database
    from app.ingest.mapping import Mapping
    from app.sync.platforms import SyncContext

app = typer.Typer(
    name="ecompredictor",
    help="Gathers consumers, products and orders from many e-commerce websites, and serves them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
admin_app = typer.Typer(no_args_is_help=True, help="The people who may use the API.")
app.add_typer(admin_app, name="admin")
imports_app = typer.Typer(no_args_is_help=True, help="Imports so far, and the records that could not be taken.")
app.add_typer(imports_app, name="imports")
app.add_typer(website_app, name="website")
app.add_typer(predict_app, name="predict")


def main() -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that `with` blocks end: the database is stopped
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # under nohup it stays ignored
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    try:
        app()
    except Exception as error:
        sentence = explain(error)
        if sentence is None:
            raise
        typer.echo(sentence, err=True)
        sys.exit(1)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.  [default: HOST, 127.0.0.1]")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on, 0 for a free one.  [default: PORT, 8000]")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Server processes.")] = 1,
) -> None:
    """Start the server. The embedded database is started and migrated with it, where DATABASE_URL is not set."""
    from app.runtime.databases import prepared_database
    from app.runtime.server import address_of, listen, run_server

    settings = load_settings()
    try:
        with (
            listen(host or settings.host, settings.port if port is None else port) as listener,
            prepared_database(settings) as database,
        ):
            address = address_of(listener)
            print(
                f"API      {address}/api/v1",
                f"Docs     {address}/docs",
                f"Console  {address}/console",
                f"Data     {database.place}",
                sep="\n",
                flush=True,
            )
            if database.notice:
                print(database.notice, flush=True)
            run_server(settings, database, listener, workers)
    except KeyboardInterrupt:
        pass  # how a server is stopped


@app.command()
def demo(
    host: Annotated[str | None, typer.Option(help="Address to listen on.  [default: HOST, 127.0.0.1]")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on, 0 for a free one.  [default: PORT, 8000]")
    ] = None,
    orders: Annotated[int, typer.Option(min=10, help="Of the first shop; the second has a quarter of it.")] = 120_000,
) -> None:
    """Invent two shops, read them into an empty database, and serve it. Orders keep coming in until Ctrl-C."""
    from app.sync.demo import run_demo

    settings = load_settings()
    with suppress(KeyboardInterrupt):  # how a server is stopped
        run_demo(settings, host=host or settings.host, port=settings.port if port is None else port, orders=orders)


@app.command()
def migrate(
    check: Annotated[
        bool, typer.Option("--check", help="Only compare models and migrations, on a throw-away database.")
    ] = False,
    down: Annotated[str | None, typer.Option(metavar="REVISION", help="Go back to this revision, or to base.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before going back.")] = False,
) -> None:
    """Bring the tables to what this version needs."""
    from app.runtime import migrations
    from app.runtime.databases import running_database
    from app.runtime.embedded import throwaway_server

    if check:
        with throwaway_server() as server:
            migrations.upgrade(server.url)
            migrations.check(server.url)
        print("The migrations make what the models say.")
        return
    with running_database(load_settings()) as database:
        if down is None:
            migrations.upgrade(database.url)
        else:
            if not yes:
                typer.confirm(f"Going back to {down} may drop data from {database.place}. Continue?", abort=True)
            migrations.downgrade(database.url, down)
        print(f"{database.place} is at revision {migrations.find_revision(database.url) or 'base'}.")


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="Where to write it; it holds personal data and gets mode 0600.")],
    force: Annotated[bool, typer.Option("--force", help="Replace FILE where it exists.")] = False,
) -> None:
    """Write the whole database to FILE. The format is pg_dump's custom one."""
    from app.runtime.backup import back_up
    from app.runtime.databases import running_database

    with running_database(load_settings()) as database:
        back_up(database, file, overwrite=force)
        print(f"{database.place} was written to {file}.")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A file that `backup` or pg_dump wrote.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before replacing the data.")] = False,
) -> None:
    """Replace the data by those of FILE. All of them, or nothing where something fails."""
    from app.runtime import backup, migrations
    from app.runtime.databases import running_database

    settings = load_settings()
    backup.check_backup(file)
    with running_database(settings) as database:
        if not yes:
            typer.confirm(f"Everything in {database.place} is replaced by {file}. Continue?", abort=True)
        backup.restore(database, file)
        print(f"{file} was restored to {database.place}.")
        if database.is_embedded:
            migrations.upgrade(database.url)
        else:
            migrations.require_head(database.url)


Mappings = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="COLUMN=NAME", help="Our column and the file's, as order_number=Invoice."),
]
MappingFile = Annotated[
    str | None, typer.Option("--mapping", metavar="FILE|NAME", help="A mapping in TOML, or the name of a shipped one.")
]
DayFirst = Annotated[bool, typer.Option("--dayfirst", help="03/04/2026 is the third of April.")]
DecimalComma = Annotated[bool, typer.Option("--decimal-comma", help="Numbers are written 1.234,50.")]
Strict = Annotated[bool, typer.Option("--strict", help="Exit 3 where a record was rejected.")]


@app.command("import")
def import_files(
    website: Annotated[str, typer.Argument(help="The source website, such as sailor.")],
    files: Annotated[list[Path], typer.Argument(help="CSV, JSON or NDJSON, plain or gzipped.")],
    format_name: Annotated[
        str | None, typer.Option("--format", help="Recognised from the content where not given.")
    ] = None,
    mapping: Mappings = None,
    mapping_file: MappingFile = None,
    keep_mapping: Annotated[
        bool, typer.Option("--keep-mapping", help="Read the website's later files with this mapping too.")
    ] = False,
    dayfirst: DayFirst = False,
    decimal_comma: DecimalComma = False,
    returns: Annotated[
        Literal["skip", "refund"], typer.Option("--returns", help="Leave return lines out, or book them as refunds.")
    ] = "skip",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
    strict: Strict = False,
) -> None:
    """Import files of a website. Exits 1 where a file could not be read; the others are imported all the same."""
    from app.ingest.commands import import_file, report
    from app.ingest.formats.base import Options
    from app.ingest.reading import UnreadableFile
    from app.ingest.service import ImportRequest
    from app.websites.schemas import WebsiteArgument

    name = validate(WebsiteArgument, website=website).website
    options = Options(
        mapping=_read_mapping(mapping_file, mapping or []),
        dayfirst=dayfirst,
        decimal_comma=decimal_comma,
        returns=returns,
    )
    settings = load_settings()

    async def work(database: "Database") -> tuple[int, int]:
        rejected = unreadable = 0
        for file in files:
            request = ImportRequest(file, file.name, name, format_name, options, dry_run, keep_mapping)
            try:
                finished = await import_file(database, request, settings)
            except (UnreadableFile, OSError) as error:
                unreadable += 1
                sentence = explain(error) or ""
                typer.echo(sentence if str(file) in sentence else f"{file}: {sentence}", err=True)
                continue
            typer.echo(report(finished))
            rejected += finished.records_rejected
        return rejected, unreadable

    rejected, unreadable = run_on_database(work)
    if unreadable:
        raise typer.Exit(1)
    if strict and rejected:
        raise typer.Exit(3)


def _read_mapping(file: str | None, entries: list[str]) -> "Mapping | None":
    """The mapping of `--mapping`, with the columns of `--map` in place of its own."""
    from app.ingest.mapping import Mapping, load_mapping, read_mapping

    if not file and not entries:
        return None
    mapping = load_mapping(file) if file else Mapping()
    columns = mapping.columns | dict(_split_mapping(entry) for entry in entries)
    return read_mapping(mapping.model_copy(update={"columns": columns}).model_dump_json(exclude_defaults=True))


def _split_mapping(entry: str) -> tuple[str, str]:
    ours, separator, theirs = entry.partition("=")
    if not (ours and separator and theirs):
        raise typer.BadParameter(f"{entry!r} is not of the form order_number=Invoice", param_hint="--map")
    return ours, theirs


ImportId = Annotated[int, typer.Argument(metavar="ID", min=1, max=2**63 - 1, help="The import's number.")]
RejectIds = Annotated[
    list[int] | None, typer.Argument(metavar="REJECT", min=1, max=2**63 - 1, help="All that are open if not given.")
]


@imports_app.command("list")
def list_imports(
    website: Annotated[str | None, typer.Option(help="Of this source website.")] = None,
    status: Annotated[
        Literal["queued", "running", "succeeded", "failed", "cancelled"] | None, typer.Option(help="With this status.")
    ] = None,
    number: Annotated[int, typer.Option("-n", "--number", min=1, max=200, help="So many at most.")] = 20,
) -> None:
    """List imports, newest first."""
    from app.ingest import service
    from app.ingest.commands import describe
    from app.ingest.schemas import ImportQuery

    query = validate(ImportQuery, source_website=website, status=status, size=number, count="none")

    async def work(database: "Database") -> None:
        async with database.reads() as session:
            for job in (await service.list_imports(session, query))["items"]:
                typer.echo(describe(job))

    run_on_database(work)


@imports_app.command("show")
def show_import(import_id: ImportId) -> None:
    """Show an import's report."""
    from app.ingest import service
    from app.ingest.commands import report

    async def work(database: "Database") -> None:
        async with database.reads() as session:
            typer.echo(report(await service.get_import(session, import_id)))

    run_on_database(work)


@imports_app.command("resume")
def resume_imports(
    import_id: Annotated[
        int | None,
        typer.Argument(metavar="ID", min=1, max=2**63 - 1, help="All that are not finished if not given."),
    ] = None,
) -> None:
    """Finish imports that were cut off, in this process. Exits 1 where one has failed.

    A worker or server that runs does the same by itself; together they take turns.
    """
    from app.ingest.commands import report
    from app.ingest.commands import resume_imports as resume

    settings = load_settings()

    async def work(database: "Database") -> bool:
        failed = False
        async for job in resume(database, import_id, settings):
            typer.echo(report(job))
            failed = failed or job.status == "failed"
        return failed

    if run_on_database(work):
        raise typer.Exit(1)


@imports_app.command("rejects")
def list_rejects(
    import_id: ImportId,
    status: Annotated[Literal["open", "retried", "dismissed"] | None, typer.Option(help="With this status.")] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Show the record too.")] = False,
) -> None:
    """List the records that could not be taken: number, status, place, kind and reason, between tabs."""
    from app.ingest.commands import describe_reject, read_rejects
    from app.ingest.models import RejectStatus

    async def work(database: "Database") -> None:
        async for reject in read_rejects(database, import_id, RejectStatus(status) if status else None):
            typer.echo(describe_reject(reject, with_raw=raw))

    run_on_database(work)


@imports_app.command("cancel")
def cancel_import(import_id: ImportId) -> None:
    """Stop merging an import; what is merged stays."""
    from app.ingest import service
    from app.ingest.commands import report

    async def work(database: "Database") -> None:
        async with database.sessions.begin() as session:
            typer.echo(report(await service.cancel_import(session, import_id)))

    run_on_database(work)


@imports_app.command("retry")
def retry_rejects(
    import_id: ImportId,
    reject_ids: RejectIds = None,
    mapping: Mappings = None,
    mapping_file: MappingFile = None,
    dayfirst: DayFirst = False,
    decimal_comma: DecimalComma = False,
    strict: Strict = False,
) -> None:
    """Try rejects again, here and now. They are read as before, except for the options given.

    What cannot be taken this time is a reject of the new import, whose report is shown.
    """
    from app.ingest import commands
    from app.ingest.rejects import OtherOptions

    other = OtherOptions(
        mapping=_read_mapping(mapping_file, mapping or []),
        dayfirst=dayfirst or None,
        decimal_comma=decimal_comma or None,
    )
    settings = load_settings()

    async def work(database: "Database") -> int:
        finished = await commands.retry_rejects(database, import_id, reject_ids or None, other, settings)
        typer.echo(commands.report(finished))
        return finished.records_rejected

    if run_on_database(work) and strict:
        raise typer.Exit(3)


@imports_app.command("dismiss")
def dismiss_rejects(import_id: ImportId, reject_ids: RejectIds = None) -> None:
    """Mark rejects as needing nothing."""
    from app.ingest import rejects

    async def work(database: "Database") -> int:
        async with database.sessions.begin() as session:
            return await rejects.dismiss_rejects(session, import_id, reject_ids or None)

    dismissed = run_on_database(work)
    print(f"Rejects of import {import_id} that were dismissed: {dismissed}" if dismissed else "None of them was open.")


@app.command()
def worker(
    concurrency: Annotated[int, typer.Option(min=1, max=64, help="Jobs at a time.")] = 2,
) -> None:
    """Run background jobs beside the server, on this machine or another."""
    from app.runtime.jobs import running_worker
    from app.runtime.logs import configure_logging

    configure_logging(load_settings().environment)

    async def work(sync: "SyncContext") -> None:
        async with running_worker(sync.database, concurrency=concurrency, sync=sync) as task:
            typer.echo(f"Working at {concurrency} jobs at a time; Ctrl-C stops.")
            await task

    with suppress(KeyboardInterrupt):  # how a worker is stopped
        run_on_stores(work)


@app.command("export-openapi")
def export_openapi(
    file: Annotated[Path | None, typer.Argument(help="Standard output where not given.")] = None,
) -> None:
    """Write the OpenAPI document as JSON. Needs no database and no settings."""
    import json

    from pydantic import SecretStr

    from app.config import Settings
    from app.main import create_app

    # Constructed, not loaded: the document is the same whatever the environment says, and no key is made for it.
    nowhere = SecretStr("postgresql+psycopg://")
    document = create_app(Settings.model_construct(database_url=nowhere, secret_key=SecretStr("unused"))).openapi()
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    if file is None:
        sys.stdout.write(text)
    else:
        file.write_text(text, encoding="utf-8")


@app.command()
def version() -> None:
    """Show the versions in use."""
    from app.runtime.embedded import MAJOR_VERSION, find_binaries

    bundled = f"{MAJOR_VERSION}, embedded" if find_binaries() else "not embedded, needs DATABASE_URL"
    print(f"ecomPredictor {__version__}", f"Python {platform.python_version()}", f"PostgreSQL {bundled}", sep="\n")


PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input instead of asking for it.")
]


def read_password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    password: Any = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return str(password)


@admin_app.command("create")
def create_admin(username: str, email: str, password_stdin: PasswordStdin = False) -> None:
    """Create an admin, whether or not registration is open."""
    from app.auth.schemas import AdminCreate
    from app.auth.service import register_admin

    data = validate(AdminCreate, username=username, email=email, password=read_password(password_stdin))

    async def work(database: "Database") -> None:
        async with database.sessions.begin() as session:
            await register_admin(session, data)

    run_on_database(work)
    print(f"Admin {username} was created.")


@admin_app.command("list")
def list_admins() -> None:
    """List the admins."""
    from app.auth import service

    async def work(database: "Database") -> None:
        async with database.reads() as session:
            for admin in await service.list_admins(session):
                state = "active" if admin.is_active else "deactivated"
                print(admin.username, admin.email, state, f"{admin.created_at:%Y-%m-%d}", sep="\t")

    run_on_database(work)


@admin_app.command("deactivate")
def deactivate_admin(name: str) -> None:
    """End an admin's access, and their tokens within seconds. NAME is the username or the e-mail address."""
    _set_active(name, False)
    print(f"Admin {name} was deactivated.")


@admin_app.command("activate")
def activate_admin(name: str) -> None:
    """Give a deactivated admin access again."""
    _set_active(name, True)
    print(f"Admin {name} is active.")


def _set_active(name: str, active: bool) -> None:
    from app.auth.service import set_admin_active

    async def work(database: "Database") -> None:
        async with database.sessions.begin() as session:
            await set_admin_active(session, name, active)

    run_on_database(work)


@admin_app.command("password")
def set_password(name: str, password_stdin: PasswordStdin = False) -> None:
    """Give an admin a new password. Tokens they hold stay valid until they expire."""
    from app.auth import service
    from app.auth.schemas import NewPassword

    given = validate(NewPassword, password=read_password(password_stdin))

    async def work(database: "Database") -> None:
        async with database.sessions.begin() as session:
            await service.set_password(session, name, given.password)

    run_on_database(work)
    print(f"The password of {name} was changed.")


if __name__ == "__main__":
    main()
