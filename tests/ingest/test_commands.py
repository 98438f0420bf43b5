"""`ecompredictor import` and `imports`, as a shell sees them: exit codes, reports, and the progress of a long one."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.cli import main
from app.config import get_settings
from app.database import Database
from app.ingest import commands
from app.runtime import migrations
from tests.conftest import new_database
from tests.ingest.conftest import stage
from tests.ingest.payloads import as_csv, shopify_row

Run = Callable[..., "Result"]
Write = Callable[[Any], Path]


@pytest.fixture
def url(server_url: str) -> Iterator[str]:
    with new_database(server_url) as url:
        migrations.upgrade(url)
        yield url


@dataclass
class Result:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def run(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """The command line in this process, which saves the seconds that importing everything takes."""
    # Its handlers are for a process of its own.
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    for name, value in {"DATABASE_URL": url, "DATA_DIR": str(tmp_path / "data")}.items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()

    def run(*arguments: object) -> Result:
        capfd.readouterr()
        monkeypatch.setattr(sys, "argv", ["ecompredictor", *map(str, arguments)])
        with pytest.raises(SystemExit) as exited:
            main()
        return Result(int(exited.value.code or 0), *capfd.readouterr())

    yield run
    get_settings.cache_clear()


@pytest.fixture
def run_process(url: str, tmp_path: Path) -> Run:
    def run(*arguments: object) -> Result:
        command = [sys.executable, "-m", "app.cli", *map(str, arguments)]
        environment = os.environ | {"DATABASE_URL": url, "DATA_DIR": str(tmp_path / "data")}
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, timeout=60)
        return Result(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def succeed(run: Run) -> Callable[..., str]:
    """Its standard output."""

    def succeed(*arguments: object) -> str:
        finished = run(*arguments)
        assert finished.returncode == 0, finished.stderr
        return finished.stdout

    return succeed


def test_exit_codes_and_reports(run: Run, write: Write, tmp_path: Path):
    good = write(as_csv(shopify_row(), shopify_row("#1002")))
    bad_record = write(as_csv(shopify_row("#1003", Total="free"), shopify_row("#1004")))
    truncated = write('[{"id": 1,')

    rehearsed = run("import", "sailor", good, "--dry-run")
    assert rehearsed.returncode == 0
    assert "dry run: nothing was changed" in rehearsed.stdout

    imported = run("import", "sailor", good)
    assert imported.returncode == 0
    assert "2 created, 0 updated, 0 merged, 0 unchanged, 0 skipped, 0 rejected" in imported.stdout
    assert "2 unchanged" in run("import", "sailor", good).stdout

    assert run("import", "sailor", bad_record).returncode == 0
    strict = run("import", "sailor", bad_record, "--strict")
    assert strict.returncode == 3
    assert "1 rejected" in strict.stdout
    assert "the rejected records: ecompredictor imports rejects 5" in strict.stdout

    unreadable = run("import", "sailor", truncated, tmp_path / "nowhere.csv", good)
    assert unreadable.returncode == 1
    assert "not valid JSON" in unreadable.stderr
    assert "nowhere.csv" in unreadable.stderr
    assert "Traceback" not in unreadable.stderr
    assert "2 unchanged" in unreadable.stdout

    for wrong in (["sailor"], ["sailor", good, "--map", "order_number"], ["sailor", good, "--colour"]):
        assert run("import", *wrong).returncode == 2
    name = run("import", "sail/or", good)
    assert name.returncode == 1
    assert "website" in name.stderr


def test_processes(run_process: Run, write: Write):
    """What the other tests run in this process is the same in one of its own."""
    imported = run_process(
        "import", "sailor", write(as_csv(shopify_row(Total="free"), shopify_row("#1002"))), "--strict"
    )
    assert (imported.returncode, "1 created" in imported.stdout) == (3, True)
    listed = run_process("imports", "rejects", 1)
    assert (listed.returncode, listed.stdout.split("\t")[1:3]) == (0, ["open", "row 2"])
    refused = run_process("imports", "show", 7)
    assert (refused.returncode, refused.stdout, refused.stderr) == (1, "", "There is no import 7.\n")


def test_how_a_file_is_to_be_read(run: Run, succeed: Callable[..., str], write: Write, tmp_path: Path):
    rows = write(as_csv({"Code": "TEA", "Preis": "1.234,50"}, delimiter=";"))
    mapping = tmp_path / "shop.toml"
    mapping.write_text('[columns]\nsku = "Code"\nprice = "Preis"\n', encoding="utf-8")
    refusals: list[tuple[list[Any], str]] = [
        (["--mapping", mapping, "--format", "shopify_orders_csv"], "Only the format generic takes a mapping"),
        (["--map", "sku=Code", "--format", "shopify_products_csv"], "Only the format generic takes a mapping"),
        (["--keep-mapping"], "There is no mapping to keep"),
        (["--map", "colour=Code"], "none of our columns"),
        (["--mapping", tmp_path / "nowhere.toml"], "nowhere.toml"),
        (["--map", "sku=Nummer", "--map", "price=Preis"], "the file has no column Nummer"),
    ]
    for options, words in refusals:
        refused = run("import", "shop", rows, *options)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert words in refused.stderr
        assert "Traceback" not in refused.stderr
    assert "1 rejected" in succeed("import", "shop", rows, "--mapping", mapping, "--dry-run", "--keep-mapping")
    assert run("import", "shop", rows).returncode == 1  # the dry run kept no mapping
    assert "1 created" in succeed("import", "shop", rows, "--mapping", mapping, "--decimal-comma", "--keep-mapping")
    assert "1 unchanged" in succeed("import", "shop", rows, "--decimal-comma")


def test_what_a_dry_run_shows(succeed: Callable[..., str], write: Write):
    row = {"sku": "SKU-1", "product_name": "Mug", "price": "9.00", "stock_quantity": "3"}
    twenty = [{"sku": f"TEA-{number}", "product_name": "Tea", "price": "1.00"} for number in range(20)]
    succeed("import", "shop", write(as_csv(row, *twenty)))
    shown = succeed("import", "shop", write(as_csv(row | {"price": "9.5", "stock_quantity": ""})), "--dry-run")
    assert "  row 2, product SKU-1: price 9.00 → 9.50, stock_quantity 3 → nothing" in shown.splitlines()
    assert "first" not in shown
    dearer = [product | {"price": "2.00"} for product in twenty]
    shown = succeed("import", "shop", write(as_csv(*dearer)), "--dry-run")
    assert shown.count("price 1.00 → 2.00") == 20
    assert "(the first 20 changes are shown)" in shown


def test_rejects(run: Run, succeed: Callable[..., str], write: Write):
    file = write(as_csv(*({"sku": f"TEA-{n}", "price": f"{n},50"} for n in range(1, 5)), delimiter=";"))
    assert run("import", "shop", file, "--strict").returncode == 3
    listed = [line.split("\t") for line in succeed("imports", "rejects", 1).splitlines()]
    assert [cells[1:4] for cells in listed] == [["open", f"row {number}", "record"] for number in range(2, 6)]
    assert all(cells[4].startswith("price is not a number: ") and len(cells) == 5 for cells in listed)
    first, second, third, fourth = (cells[0] for cells in listed)
    with_raw = succeed("imports", "rejects", 1, "--raw").splitlines()
    assert json.loads(with_raw[0].split("\t")[5]) == {"sku": "TEA-1", "price": "1,50"}

    assert "import 1 that were dismissed: 1" in succeed("imports", "dismiss", 1, fourth)
    assert [line.split("\t")[0] for line in succeed("imports", "rejects", 1, "--status", "dismissed").splitlines()] == [
        fourth
    ]
    again = run("imports", "retry", 1, first, second, "--strict")
    assert again.returncode == 3
    assert "generic of shop, 2 records" in again.stdout
    assert "imports rejects 2" in again.stdout
    assert "2 created" in succeed("imports", "retry", 2, "--decimal-comma", "--strict")
    assert "1 created" in succeed("imports", "retry", 1, "--decimal-comma")
    assert "None of them was open" in succeed("imports", "dismiss", 1)

    for wrong, words in [
        (["retry", 1], "Import 1 has no open rejects."),
        (["retry", 1, fourth], "was dismissed before"),
        (["retry", 9], "There is no import 9."),
        (["retry", 1, 999], "Import 1 has no reject 999."),
        (["dismiss", 1, third], "was retried before"),
        (["dismiss", 9], "There is no import 9."),
        (["rejects", 9], "There is no import 9."),
        (["show", 9], "There is no import 9."),
        (["resume", 9], "There is no import 9."),
    ]:
        refused = run("imports", *wrong)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert words in refused.stderr
        assert "Traceback" not in refused.stderr
    assert run("imports", "rejects", 1, "--status", "new").returncode == 2
    assert run("imports", "show", "x").returncode == 2


def test_imports(url: str, run: Run, succeed: Callable[..., str], write: Write):
    succeed("import", "sailor", write(as_csv(shopify_row())))
    file = write(as_csv(shopify_row("#1002"), shopify_row("#1003", Total="free")))

    async def cut_off() -> None:
        """Imports that were staged, and one of which nothing more is heard."""
        database = Database(url)
        for website, dry_run in (("rise", False), ("rise", True), ("sailor", False)):
            await stage(database, file, website, dry_run=dry_run)
        await database.dispose()

    asyncio.run(cut_off())
    listed = [line.split("\t") for line in succeed("imports", "list").splitlines()]
    assert [cells[0] for cells in listed] == ["4", "3", "2", "1"]
    assert listed[-1][2:5] == ["sailor", "shopify_orders_csv", "file-0"]
    assert [cells[5] for cells in listed] == ["queued", "queued (dry run)", "queued", "succeeded"]
    assert listed[-1][6] == "1 read, 1 created, 0 updated, 0 rejected"
    assert [line[0] for line in succeed("imports", "list", "--website", "Rise", "-n", 1).splitlines()] == ["3"]
    assert [line[0] for line in succeed("imports", "list", "--status", "succeeded").splitlines()] == ["1"]
    assert "queued: not all of it is merged yet" in succeed("imports", "show", 2)

    assert "1 created, 0 updated, 0 merged, 0 unchanged, 0 skipped, 1 rejected" in succeed("imports", "resume", 2)
    resumed = succeed("imports", "resume").splitlines()
    assert [line for line in resumed if line.startswith("file")] == [
        "file-1: shopify_orders_csv of rise, 2 records (dry run: nothing was changed)",
        "file-1: shopify_orders_csv of sailor, 2 records",
    ]
    assert succeed("imports", "resume") == ""
    assert succeed("imports", "show", 2) == succeed("imports", "resume", 2)
    dry = run("imports", "retry", 3)
    assert (dry.returncode, "dry run" in dry.stderr) == (1, True)


def test_progress_where_nobody_watches(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(commands, "SECONDS_BETWEEN_LINES", 0.0)
    with commands._progress("orders.csv") as progress:
        progress("read", 12_000, 0)
        progress("merged", 2_000, 12_000)
    assert capsys.readouterr().err.splitlines() == ["orders.csv: read 12,000", "orders.csv: merged 2,000 of 12,000"]
