"""`ecompredictor import`, as a shell sees it: exit codes, the report, and the progress of a long one."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.ingest import commands
from app.runtime import migrations
from tests.conftest import new_database
from tests.ingest.payloads import as_csv, shopify_row

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(server_url: str, tmp_path: Path) -> Iterator[Run]:
    with new_database(server_url) as url:
        migrations.upgrade(url)

        def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
            command = [sys.executable, "-m", "app.cli", "import", *map(str, arguments)]
            environment = os.environ | {"DATABASE_URL": url, "DATA_DIR": str(tmp_path / "data")}
            return subprocess.run(command, check=False, capture_output=True, text=True, env=environment, timeout=60)

        yield run


def test_exit_codes_and_reports(run: Run, write: Callable[[Any], Path], tmp_path: Path):
    good = write(as_csv(shopify_row(), shopify_row("#1002")))
    bad_record = write(as_csv(shopify_row("#1003", Total="free"), shopify_row("#1004")))
    truncated = write('[{"id": 1,')

    rehearsed = run("sailor", good, "--dry-run")
    assert rehearsed.returncode == 0
    assert "dry run: nothing was changed" in rehearsed.stdout

    imported = run("sailor", good)
    assert imported.returncode == 0
    assert "2 created, 0 updated, 0 merged, 0 unchanged, 0 skipped, 0 rejected" in imported.stdout
    assert "2 unchanged" in run("sailor", good).stdout

    assert run("sailor", bad_record).returncode == 0
    strict = run("sailor", bad_record, "--strict")
    assert strict.returncode == 3
    assert "1 rejected" in strict.stdout

    unreadable = run("sailor", truncated, tmp_path / "nowhere.csv", good)
    assert unreadable.returncode == 1
    assert "not valid JSON" in unreadable.stderr
    assert "nowhere.csv" in unreadable.stderr
    assert "Traceback" not in unreadable.stderr
    assert "2 unchanged" in unreadable.stdout

    for wrong in (["sailor"], ["sailor", good, "--map", "order_number"], ["sailor", good, "--colour"]):
        assert run(*wrong).returncode == 2
    name = run("sail/or", good)
    assert name.returncode == 1
    assert "website" in name.stderr


def test_progress_where_nobody_watches(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(commands, "SECONDS_BETWEEN_LINES", 0.0)
    with commands._progress("orders.csv") as progress:
        progress("read", 12_000, 0)
        progress("merged", 2_000, 12_000)
    assert capsys.readouterr().err.splitlines() == ["orders.csv: read 12,000", "orders.csv: merged 2,000 of 12,000"]
