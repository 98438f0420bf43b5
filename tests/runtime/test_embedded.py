"""The embedded server, as several processes use and kill it. Each test has a data folder and a server of its own."""

import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from app.config import ConfigurationError, connection_options
from app.runtime import embedded
from app.runtime.embedded import EmbeddedPostgres

HOLD = """
import sys
from pathlib import Path
from app.runtime.embedded import EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1])) as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Not pytest's own temporary folder, which the server's user may not enter when the tests run as root."""
    with tempfile.TemporaryDirectory(prefix="ecompredictor-test-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "data dir"


def hold(data_dir: Path) -> "subprocess.Popen[str]":
    """A process that attaches and stays until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(data_dir)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("postgresql")
    return process


def leave(process: "subprocess.Popen[str]") -> None:
    process.communicate()
    assert process.returncode == 0


def execute(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(**connection_options(url), autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def is_running(data_dir: Path) -> bool:
    """By the file that the server itself writes and removes."""
    return (data_dir / "postgres" / "postmaster.pid").exists()


def server_pid(data_dir: Path) -> int:
    return int((data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0])


def test_the_last_one_out_stops_it(data_dir: Path):
    first, second = hold(data_dir), hold(data_dir)
    leave(first)
    assert is_running(data_dir)
    leave(second)
    assert not is_running(data_dir)


def test_a_killed_process_loses_nothing_and_holds_nothing(data_dir: Path):
    killed = hold(data_dir)
    with EmbeddedPostgres(data_dir) as server:
        execute(server.url, "CREATE TABLE kept AS SELECT 1 AS one")
        killed.kill()
        killed.communicate()
    assert not is_running(data_dir)
    with EmbeddedPostgres(data_dir) as server:
        assert execute(server.url, "TABLE kept") == [(1,)]


def test_a_server_left_behind_is_taken_over(data_dir: Path):
    killed = hold(data_dir)
    pid = server_pid(data_dir)
    killed.kill()
    killed.communicate()
    with EmbeddedPostgres(data_dir):
        assert server_pid(data_dir) == pid
    assert not is_running(data_dir)


def test_a_killed_server_is_started_again(data_dir: Path):
    with EmbeddedPostgres(data_dir) as server:
        execute(server.url, "CREATE TABLE kept AS SELECT 1 AS one")
        os.kill(server_pid(data_dir), signal.SIGKILL)
        with EmbeddedPostgres(data_dir) as second:
            assert execute(second.url, "TABLE kept") == [(1,)]
    assert not is_running(data_dir)


def test_a_stale_process_id_is_not_believed(data_dir: Path):
    with EmbeddedPostgres(data_dir):
        content = (data_dir / "postgres" / "postmaster.pid").read_text()
    _, *rest = content.splitlines()
    (data_dir / "postgres" / "postmaster.pid").write_text("\n".join([str(os.getpid()), *rest]))
    with EmbeddedPostgres(data_dir) as server:
        assert execute(server.url, "SELECT 1") == [(1,)]


def test_a_killed_initdb_leaves_nothing_in_the_way(data_dir: Path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(data_dir)], stdin=subprocess.PIPE)
    deadline = time.monotonic() + 20
    while not list(data_dir.glob("postgres.new-*/*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert not (data_dir / "postgres").exists()
    with EmbeddedPostgres(data_dir) as server:
        assert execute(server.url, "SELECT 1") == [(1,)]


def test_a_failed_start_tells_why_and_leaves_nothing_running(data_dir: Path):
    with EmbeddedPostgres(data_dir):
        pass
    with (data_dir / "postgres" / "postgresql.conf").open("a") as settings:
        settings.write("no_such_setting = 1\n")
    with pytest.raises(ConfigurationError, match="no_such_setting"):
        EmbeddedPostgres(data_dir).__enter__()
    assert not is_running(data_dir)


def test_data_of_another_version_are_refused(data_dir: Path):
    with EmbeddedPostgres(data_dir):
        pass
    (data_dir / "postgres" / "PG_VERSION").write_text("17\n")
    with pytest.raises(ConfigurationError, match="made by PostgreSQL 17"):
        EmbeddedPostgres(data_dir).__enter__()


@pytest.mark.parametrize("name", ["long" * 40, """a,b $HOME `c` "d" 'é'"""])
def test_a_path_that_is_too_long_or_too_odd_for_a_socket(data_dir: Path, name: str):
    with EmbeddedPostgres(data_dir.parent / name) as server:
        assert execute(server.url, "SELECT 1") == [(1,)]
        (socket_dir,) = {connection_options(server.url)["host"]}
    folder = Path(socket_dir)
    assert folder.parent == embedded.SHARED_TEMP
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.rmdir()


def test_a_socket_folder_of_somebody_else_is_not_used(data_dir: Path, monkeypatch: pytest.MonkeyPatch):
    shared = data_dir.parent / "shared"
    shared.mkdir()
    monkeypatch.setattr(embedded, "SHARED_TEMP", shared)
    monkeypatch.setattr(embedded, "MAX_SOCKET_PATH", 10)
    server = EmbeddedPostgres(data_dir)
    with server:
        socket_dir = server._socket_dir
    socket_dir.chmod(0o755)
    with pytest.raises(ConfigurationError, match="not ours"):
        server.__enter__()
    socket_dir.rmdir()
    socket_dir.symlink_to(data_dir)
    with pytest.raises(ConfigurationError, match="not ours"):
        server.__enter__()


def test_any_umask_will_do(data_dir: Path):
    before = os.umask(0o077)
    try:
        with EmbeddedPostgres(data_dir / "deep" / "down") as server:
            assert execute(server.url, "SELECT 1") == [(1,)]
    finally:
        os.umask(before)


def test_without_the_wheel_it_says_what_to_do(data_dir: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(embedded, "find_binaries", lambda: None)
    with pytest.raises(ConfigurationError, match=r"DATABASE_URL=postgresql://.*make install"):
        EmbeddedPostgres(data_dir).__enter__()
