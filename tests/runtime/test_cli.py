"""The command line: servers and what surrounds them in real processes, the rest of the commands in ours."""

import io
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx
import pytest
from sqlalchemy import make_url

from app.cli import main
from app.config import Settings, get_settings
from app.runtime import migrations
from tests.conftest import new_database

PASSWORD = "correct horse battery"
COMMAND = [sys.executable, "-P", "-m", "app.cli"]  # -P: the working directory is the test's


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """The working directory of the processes, which the server's user may enter when the tests run as root."""
    with tempfile.TemporaryDirectory(prefix="ecompredictor-test-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="module")
def environment(home: Path) -> dict[str, str]:
    """Ours without any setting; DATA_DIR is .data in `home`."""
    kept = {key: value for key, value in os.environ.items() if key.lower() not in Settings.model_fields}
    return kept | {"DATA_DIR": str(home / "data")}


@dataclass
class Result:
    returncode: int
    stdout: str
    stderr: str


class Run(Protocol):
    """Runs a command with more settings; `given` is its standard input."""

    def __call__(self, *arguments: str, given: str = "", **settings: str) -> Result: ...


@pytest.fixture
def run_process(home: Path, environment: dict[str, str]) -> Run:
    def run(*arguments: str, given: str = "", **settings: str) -> Result:
        finished = subprocess.run(
            [*COMMAND, *arguments],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            cwd=home,
            input=given,
            env=environment | settings,
        )
        return Result(finished.returncode, finished.stdout, finished.stderr)

    return run


@pytest.fixture
def run(
    home: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """`cli.main()` in this process, which saves the second that importing everything takes."""
    # Its handlers are for a process of its own.
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.chdir(home)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)

    def run(*arguments: str, given: str = "", **settings: str) -> Result:
        get_settings.cache_clear()
        capfd.readouterr()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["ecompredictor", *arguments])
            patch.setattr(sys, "stdin", io.StringIO(given))
            for name, value in ({"DATA_DIR": environment["DATA_DIR"]} | settings).items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit) as exited:
                main()
        return Result(int(exited.value.code or 0), *capfd.readouterr())

    yield run
    get_settings.cache_clear()


@contextmanager
def serving(
    home: Path, environment: dict[str, str], *arguments: str
) -> Iterator[tuple["subprocess.Popen[str]", httpx.Client]]:
    """A server that is ready; killed afterwards where the test has not stopped it."""
    # Signals may be ignored where the tests run in the background; a shell's Ctrl-C is what we test.
    restore = "import signal,os,sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", restore, *COMMAND, "serve", "--port", "0", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=home,
            env=environment,
        )
        assert process.stdout is not None
        try:
            first = process.stdout.readline()
            found = re.fullmatch(r"API      (http://127\.0\.0\.1:\d+)/api/v1\n", first)
            if found is None:
                log.seek(0)
                pytest.fail(f"{first!r}\n{log.read()}")
            assert process.stdout.readline() == f"Docs     {found[1]}/docs\n"
            assert process.stdout.readline() == f"Console  {found[1]}/console\n"
            assert process.stdout.readline().startswith("Data     ")
            with httpx.Client(base_url=found[1], timeout=20) as client:
                assert client.get("/readyz").status_code == 200
                yield process, client
            log.seek(0)
            assert "Traceback" not in log.read()
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def stop(process: "subprocess.Popen[str]", sent: signal.Signals) -> None:
    process.send_signal(sent)
    process.wait(timeout=30)
    assert process.returncode == 0


def is_running(home: Path) -> bool:
    return (home / "data" / "postgres" / "postmaster.pid").exists()


def test_serve_survives_a_kill_and_stops_cleanly(home: Path, environment: dict[str, str]):
    with serving(home, environment) as (process, client):
        body = {"username": "ada", "email": "ada@example.com", "password": PASSWORD}
        assert client.post("/api/v1/auth/register", json=body).status_code == 201
        process.kill()
        process.wait()
    assert is_running(home)
    with serving(home, environment) as (process, client):
        answer = client.post("/api/v1/auth/login", json={"username": "ada", "password": PASSWORD})
        token = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        assert client.get("/api/v1/auth/me", headers=token).json()["username"] == "ada"
        stop(process, signal.SIGINT)
    assert not is_running(home)
    # The key outlives the process, and with it the token.
    with serving(home, environment) as (process, client):
        assert client.get("/api/v1/auth/me", headers=token).status_code == 200
        stop(process, signal.SIGTERM)
    assert not is_running(home)


def test_several_workers(home: Path, environment: dict[str, str]):
    with serving(home, environment, "--workers", "2") as (process, client):
        assert client.get("/readyz").status_code == 200
        stop(process, signal.SIGTERM)
    assert not is_running(home)


def test_workers_do_not_outlive_a_killed_parent(home: Path, environment: dict[str, str], run: Run):
    with serving(home, environment, "--workers", "2") as (process, client):
        assert client.get("/readyz").status_code == 200
        port = client.base_url.port
        process.kill()
        process.wait()
        deadline = time.monotonic() + 20
        while not is_free(port) and time.monotonic() < deadline:
            time.sleep(0.1)
    assert is_free(port)
    run("admin", "list")
    assert not is_running(home)


def is_free(port: int | None) -> bool:
    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", port or 0)) != 0


def test_a_taken_port_is_told_before_anything_is_started(tmp_path: Path, run_process: Run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = run_process("serve", PORT=port, DATA_DIR=str(tmp_path / "data"))
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"Cannot listen on 127.0.0.1, port {port}: Address already in use.\n"
    assert not (tmp_path / "data").exists()


def test_admins(run: Run):
    created = run("admin", "create", "grace", "Grace@Example.com", "--password-stdin", given=f"{PASSWORD}\n")
    assert (created.returncode, created.stdout) == (0, "Admin grace was created.\n")
    again = run("admin", "create", "grace", "other@example.com", "--password-stdin", given=f"{PASSWORD}\n")
    assert (again.returncode, again.stderr) == (1, "username: grace is taken already.\n")
    short = run("admin", "password", "grace", "--password-stdin", given="short\n")
    assert (short.returncode, short.stderr) == (1, "password: must have at least 8 characters\n")
    assert run("admin", "password", "grace", "--password-stdin", given="another good one\n").returncode == 0
    assert run("admin", "deactivate", "grace@example.com").returncode == 0
    assert "grace\tgrace@example.com\tdeactivated" in run("admin", "list").stdout
    assert run("admin", "activate", "grace").returncode == 0
    assert "grace\tgrace@example.com\tactive" in run("admin", "list").stdout
    unknown = run("admin", "deactivate", "nobody")
    assert (unknown.returncode, unknown.stderr) == (1, "There is no admin nobody.\n")


def test_a_new_password_replaces_the_old_one(home: Path, environment: dict[str, str], run: Run):
    run("admin", "create", "joan", "joan@example.com", "--password-stdin", given=f"{PASSWORD}\n")
    with serving(home, environment) as (process, client):
        # Beside a running server, and without stopping its database.
        assert run("admin", "password", "joan", "--password-stdin", given="another good one\n").returncode == 0
        old = client.post("/api/v1/auth/login", json={"username": "joan", "password": PASSWORD})
        new = client.post("/api/v1/auth/login", json={"username": "joan", "password": "another good one"})
        assert (old.status_code, new.status_code) == (401, 200)
        stop(process, signal.SIGINT)


def test_backup_and_restore(home: Path, run: Run):
    run("admin", "create", "backed", "backed@example.com", "--password-stdin", given=f"{PASSWORD}\n")
    target = home / "a backup.dump"
    assert run("backup", str(target)).returncode == 0
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert [path.name for path in home.iterdir() if "dump" in path.name] == [target.name]
    refused = run("backup", str(target))
    assert refused.returncode == 1
    assert "--force" in refused.stderr
    assert run("backup", str(target), "--force").returncode == 0

    run("admin", "create", "later", "later@example.com", "--password-stdin", given=f"{PASSWORD}\n")
    assert run("restore", str(target), given="n\n").returncode == 1
    assert "later" in run("admin", "list").stdout
    restored = run("restore", str(target), "--yes")
    assert (restored.returncode, restored.stderr) == (0, "")
    names = run("admin", "list").stdout
    assert "backed" in names
    assert "later" not in names


def test_a_broken_backup_changes_nothing(home: Path, run: Run):
    target, broken, other = (home / name for name in ("whole.dump", "broken.dump", "other.dump"))
    run("backup", str(target), "--force")
    run("admin", "create", "stays", "stays@example.com", "--password-stdin", given=f"{PASSWORD}\n")
    whole = target.read_bytes()
    broken.write_bytes(whole[: len(whole) * 3 // 4])
    other.write_text("CREATE TABLE x ();")
    for file in (broken, other, home / "nowhere.dump"):
        result = run("restore", str(file), "--yes")
        assert result.returncode == 1, file
        assert "Traceback" not in result.stderr
    assert "stays" in run("admin", "list").stdout


@pytest.fixture
def external_url(server_url: str) -> Iterator[str]:
    with new_database(server_url) as url:
        yield url


def test_an_external_database_is_migrated_on_demand_only(external_url: str, tmp_path: Path, run: Run):
    for command in (["serve", "--port", "0"], ["admin", "list"]):
        refused = run(*command, DATABASE_URL=external_url)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr == "The database has no tables yet. Run `ecompredictor migrate`.\n"
    migrated = run("migrate", DATABASE_URL=external_url)
    assert migrated.returncode == 0
    assert migrated.stdout.endswith(f"is at revision {migrations.head_revision()}.\n")
    assert run("admin", "list", DATABASE_URL=external_url).returncode == 0
    assert run("migrate", "--down", "base", given="n\n", DATABASE_URL=external_url).returncode == 1
    assert "is at revision base" in run("migrate", "--down", "base", "--yes", DATABASE_URL=external_url).stdout
    unknown = run("migrate", "--down", "nonsense", "--yes", DATABASE_URL=external_url)
    assert (unknown.returncode, "Traceback" in unknown.stderr) == (1, False)


def test_a_backup_of_an_older_revision_replaces_newer_tables(external_url: str, home: Path, run: Run):
    target = home / "old.dump"
    run("migrate", DATABASE_URL=external_url)
    run("migrate", "--down", "0001", "--yes", DATABASE_URL=external_url)
    assert run("backup", str(target), DATABASE_URL=external_url).returncode == 0
    run("migrate", DATABASE_URL=external_url)
    restored = run("restore", str(target), "--yes", DATABASE_URL=external_url)
    assert restored.returncode == 1
    assert "was restored" in restored.stdout
    assert "ecompredictor migrate" in restored.stderr
    assert run("migrate", DATABASE_URL=external_url).returncode == 0


def test_backups_move_between_servers(external_url: str, home: Path, run: Run):
    target = home / "moved.dump"
    run("admin", "create", "moves", "moves@example.com", "--password-stdin", given=f"{PASSWORD}\n")
    assert run("backup", str(target)).returncode == 0
    assert run("restore", str(target), "--yes", DATABASE_URL=external_url).returncode == 0
    assert "moves" in run("admin", "list", DATABASE_URL=external_url).stdout


def test_an_unreachable_database_is_one_sentence(tmp_path: Path, run: Run):
    url = "postgresql://user:secret@127.0.0.1:1/nowhere"
    for command in (["serve", "--port", "0"], ["migrate"], ["admin", "list"], ["backup", str(tmp_path / "file")]):
        result = run(*command, DATABASE_URL=url)
        assert result.returncode == 1
        assert len(result.stderr.splitlines()) == 1
        assert "refused" in result.stderr
        assert "secret" not in result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"PORT": "eighty"}, "PORT: "),
        ({"ALGORITHM": "none"}, "ALGORITHM: "),
        ({"DATABASE_URL": "mysql://user:secret@host/name"}, "DATABASE_URL: must be a PostgreSQL address"),
        ({"ENVIRONMENT": "production"}, "ENVIRONMENT=production needs a DATABASE_URL"),
        ({"DATA_DIR": "/etc/passwd/data"}, "/etc/passwd"),
    ],
)
def test_wrong_settings_are_one_sentence(settings: dict[str, str], told: str, run: Run):
    result = run("serve", **({"PORT": "0"} | settings))
    assert (result.returncode, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1
    assert told in result.stderr
    assert "secret" not in result.stderr


@pytest.mark.parametrize("arguments", [["nonsense"], ["serve", "--port", "99999"], ["restore"], ["admin", "create"]])
def test_wrong_usage(arguments: list[str], run: Run):
    result = run(*arguments)
    assert result.returncode == 2
    assert "Usage:" in result.stderr


def test_every_command_has_help(run_process: Run, run: Run):
    shown = run_process("--help")
    assert shown.returncode == 0
    for command in ("serve", "migrate", "backup", "restore", "export-openapi", "version", "admin"):
        assert command in shown.stdout
        assert run(command, "--help").returncode == 0


def test_export_openapi_needs_nothing(tmp_path: Path, run_process: Run):
    target = tmp_path / "openapi.json"
    settings = {"ENVIRONMENT": "production", "DATA_DIR": str(tmp_path / "data")}
    printed = run_process("export-openapi", **settings)
    assert printed.returncode == 0
    assert run_process("export-openapi", str(target), **settings).returncode == 0
    assert target.read_text(encoding="utf-8") == printed.stdout
    assert "/api/v1/auth/login" in json.loads(printed.stdout)["paths"]
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


def test_version(run_process: Run):
    assert re.fullmatch(r"ecomPredictor \S+\nPython \S+\nPostgreSQL \S.*\n", run_process("version").stdout)


def test_migrate_check_uses_no_database_of_ours(tmp_path: Path, run: Run):
    result = run("migrate", "--check", DATA_DIR=str(tmp_path / "data"), TMPDIR="/tmp")
    assert (result.returncode, result.stderr) == (0, "")
    assert not list(tmp_path.iterdir())


def test_the_place_of_an_external_database_hides_its_password(external_url: str, home: Path, run: Run):
    run("migrate", DATABASE_URL=external_url)
    url = make_url(external_url).set(password="secret").render_as_string(hide_password=False)
    result = run("migrate", DATABASE_URL=url)
    assert f"/{make_url(external_url).database}" in result.stdout
    assert "secret" not in result.stdout + result.stderr
