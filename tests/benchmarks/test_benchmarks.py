"""The benchmark measures what it says: the bare app answers like the API, and pure SQL ends with an import's rows."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from app.auth.service import create_token
from app.config import Settings
from app.database import Database
from app.main import create_app
from app.runtime import migrations
from benchmarks import console, importing, peer, report, servers, serving
from benchmarks.dataset import Size, fill
from benchmarks.generate_orders import write_orders
from benchmarks.load import UnexpectedAnswer, send_once
from tests.builders import create_admin
from tests.conftest import SECRET_KEY, new_database

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def filled_url(server_url: str) -> Iterator[str]:
    with new_database(server_url) as url:
        migrations.upgrade(url)
        fill(url, Size(users=200, products=100, orders=1_000, lines=2_500))
        yield url


@pytest.fixture
async def both(
    filled_url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """A client of the API and one of the bare app, on the same database and with the same token."""
    monkeypatch.setenv("DATABASE_URL", filled_url)
    monkeypatch.setenv("SECRET_KEY", SECRET_KEY)
    database = Database(filled_url)
    app = create_app(settings, database)
    async with database.sessions.begin() as session:
        admin = await create_admin(session)
    headers = {"Authorization": f"Bearer {create_token(app.state.token_settings, admin.id)}"}
    options: dict[str, Any] = {"base_url": "http://test", "headers": headers}
    async with (
        peer.lifespan(peer.app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), **options) as ours,
        httpx.AsyncClient(transport=httpx.ASGITransport(peer.app), **options) as bare,
    ):
        yield ours, bare
    await database.dispose()


def comparable(answer: httpx.Response) -> dict[str, Any]:
    """Without what each makes up by itself; of an order made anew, without its numbers."""
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()
    own = {"next_cursor"} if "items" in found else set[str]()
    if answer.request.method == "POST":
        own |= {"id", "order_number", "placed_at", "created_at", "updated_at"}
        for line in found["details"]:
            for name in ("id", "order_id", "created_at", "updated_at"):
                del line[name]
    return {name: value for name, value in found.items() if name not in own}


@pytest.mark.parametrize("path", ["orders?source_website=shop", "orders?source_website=nowhere", "orders/7"])
async def test_the_bare_app_reads_the_same(both: tuple[httpx.AsyncClient, httpx.AsyncClient], path: str):
    ours, bare = [comparable(await client.get(f"/api/v1/{path}")) for client in both]
    assert ours == bare


async def test_the_bare_app_creates_the_same(both: tuple[httpx.AsyncClient, httpx.AsyncClient]):
    lines = [{"product_id": number, "quantity": 2} for number in (1, 2, 3)]
    body = {"user_id": 1, "source_website": "shop", "details": lines}
    ours, bare = [comparable(await client.post("/api/v1/orders", json=body)) for client in both]
    assert ours == bare


def count_rows(url: str) -> dict[str, tuple[Any, ...]]:
    """Of each table, and how many of them point to another."""
    counted = {}
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        for staging in importing.STAGINGS:
            ids = "".join(f", count({column})" for column in staging.keys)
            rows = connection.execute(text(f"SELECT count(*){ids} FROM {staging.table}"))
            counted[staging.table] = tuple(rows.one())
    return counted


def test_pure_sql_ends_with_the_rows_of_an_import(server_url: str, tmp_path: Path):
    write_orders(tmp_path / "orders.csv", 600)
    with new_database(server_url) as imported, new_database(server_url) as loaded:
        for url in (imported, loaded):
            migrations.upgrade(url)
        run = importing.import_file(imported, tmp_path / "orders.csv")
        assert (run.rows, run.orders > 200, run.peak_memory > 0) == (600, True, True)
        importing.copy_out(imported, tmp_path)
        assert importing.load_by_sql(loaded, tmp_path) > 0
        assert count_rows(loaded) == count_rows(imported)


def test_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    results = [
        report.Result("page", 60.0, 100.0, 0.6, "requests/s", 0.5),
        report.Result("memory", 160.0, 150.0, 1.07, "MiB", 1, "at most"),
        report.Result("login", 3.0, 500.0, 0.5, "logins/s"),
    ]
    report.write_json(results, tmp_path / "build" / "bench.json")
    written = json.loads((tmp_path / "build" / "bench.json").read_text())
    assert {name: row["ok"] for name, row in written["rows"].items()} == {"page": True, "memory": False, "login": None}
    assert written["rows"]["page"].keys() >= {"ours", "limit", "ratio", "target", "ok"}
    report.print_table(results)
    assert "missed" in capsys.readouterr().out


def test_an_unknown_row():
    command = [sys.executable, "-m", "benchmarks", "pages"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (answer.returncode, "There is no row pages" in answer.stderr) == (2, True)


def test_the_console_is_asked_as_by_a_browser(server_url: str):
    with new_database(server_url) as url:
        migrations.upgrade(url)
        fill(url, Size(users=20, products=10, orders=100, lines=250))
        with servers.our_server(url) as ours:
            bench = serving.Bench.start(url, ours, ours)
            shown = send_once(ours.port, console.as_admin(console.ORDERS, console.sign_in(bench)))
            assert b"<tbody" in asyncio.run(shown)
            with pytest.raises(UnexpectedAnswer, match="303"):
                asyncio.run(send_once(ours.port, console.as_admin(console.ORDERS, "")))
