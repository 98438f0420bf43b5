"""Backups as pg_dump makes them (custom format), of the embedded database and of an external one."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import IO

from psycopg.conninfo import make_conninfo

from app.config import ConfigurationError, connection_options
from app.runtime import migrations
from app.runtime.databases import RunningDatabase
from app.runtime.embedded import MAJOR_VERSION, clean_environment, find_binaries

# Not pg_restore --clean: it drops what the backup holds, so tables that a newer version added would stay and be in
# the way of the next migration. What others own in the schema, and what an extension brought, is left alone.
_BEGIN = """
BEGIN;
SET LOCAL lock_timeout = '30s';
DO $$
DECLARE statement text;
BEGIN
    FOREACH statement IN ARRAY ARRAY(
        SELECT format('DROP %s IF EXISTS %s CASCADE', kind, name)
        FROM (
            SELECT CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
                                ELSE 'TABLE' END, oid::regclass::text, relowner, oid, 'pg_class'::regclass
            FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'S') AND relnamespace = 'public'::regnamespace
            UNION ALL
            SELECT 'ROUTINE', oid::regprocedure::text, proowner, oid, 'pg_proc'::regclass
            FROM pg_proc WHERE pronamespace = 'public'::regnamespace
            UNION ALL
            SELECT 'TYPE', oid::regtype::text, typowner, oid, 'pg_type'::regclass
            FROM pg_type WHERE typtype IN ('e', 'd', 'r', 'c') AND typnamespace = 'public'::regnamespace
        ) AS found (kind, name, owner, id, catalog)
        WHERE pg_get_userbyid(owner) = current_user
          -- e: an extension's; i and a: parts of something else, such as a table's row type or its sequence, while a
          -- partitioned table depends on columns of its own
          AND NOT EXISTS (
              SELECT FROM pg_depend
              WHERE objid = id AND classid = catalog AND deptype IN ('e', 'i', 'a') AND refobjid <> id
          )
    )
    LOOP EXECUTE statement; END LOOP;
END $$;
"""


def back_up(database: RunningDatabase, target: Path, *, overwrite: bool = False) -> None:
    """Write a backup to `target`, which appears whole or not at all, readable by its owner only."""
    if target.exists() and not overwrite:
        raise ConfigurationError(f"{target} exists already; --force replaces it.")
    if not target.parent.is_dir():
        raise ConfigurationError(f"There is no folder {target.parent}.")
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)  # mode 0600: personal data
    draft = Path(name)
    try:
        command = [_find("pg_dump"), "--format=custom", f"--file={name}", f"--dbname={_connection_string(database)}"]
        dumped = _run(command, database)
        if dumped.returncode:
            raise ConfigurationError(f"The backup failed: {_reason(dumped.stderr)}")
        os.fsync(descriptor)
        draft.replace(target)
    finally:
        os.close(descriptor)
        draft.unlink(missing_ok=True)


def restore(database: RunningDatabase, source: Path) -> None:
    """Replace what is in the database by the backup, all of it in one transaction."""
    check_backup(source)
    reading = [_find("pg_restore"), "--schema=public", "--no-owner", "--no-privileges", "--file=-", str(source)]
    writing = [_find("psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--output=/dev/null"]
    writing.append(f"--dbname={_connection_string(database)}")
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(  # noqa: S603 — PostgreSQL's own programs, no shell
            writing, stdin=subprocess.PIPE, stderr=errors, bufsize=0, env=_environment(database)
        ) as writer,
    ):
        assert writer.stdin is not None
        try:
            writer.stdin.write(_BEGIN.encode())
            # Whatever stops the reader, the writer then meets the end of its input without a COMMIT.
            reader = _stream(reading, writer.stdin)
            if reader.returncode == 0:
                writer.stdin.write(b"\nCOMMIT;\n")
            writer.stdin.close()
        except BrokenPipeError:
            reader = None  # the writer stopped first and tells why
        except BaseException:
            writer.kill()
            raise
        failed = writer.wait() != 0
        errors.seek(0)
        if failed or reader is None:
            raise ConfigurationError(f"Nothing was restored: {_reason(errors.read())}")
        if reader.returncode:
            raise ConfigurationError(f"Nothing was restored: {_reason(reader.stderr)}")


def check_backup(source: Path) -> None:
    """Raise ConfigurationError for a file that is no backup, or one that a newer version of the program made."""
    if not source.is_file():
        raise ConfigurationError(f"There is no file {source}.")
    command = [_find("pg_restore"), "--data-only", "--schema=public", "--table=alembic_version", "--file=-"]
    listed = _run([*command, str(source)])
    if listed.returncode:
        raise ConfigurationError(f"{source} is not a backup that pg_dump made: {_reason(listed.stderr)}")
    _, found, rows = listed.stdout.partition("COPY public.alembic_version")
    revision = rows.splitlines()[1].strip() if found else ""
    if revision in {"", "\\."}:
        raise ConfigurationError(f"{source} is a backup of another program's database.")
    if not migrations.knows_revision(revision):
        raise ConfigurationError(f"{source} is at revision {revision}, which a newer version of this program made.")


def _find(program: str) -> str:
    binaries = find_binaries()
    found = str(binaries / program) if binaries else shutil.which(program)
    if found is None:
        raise ConfigurationError(
            f"{program} is needed and not installed: install PostgreSQL's client programs, version {MAJOR_VERSION} "
            "or that of your server."
        )
    return found


def _connection_string(database: RunningDatabase) -> str:
    """Without the password, which everybody on the machine could read in the process list."""
    options = connection_options(database.url)
    options.pop("password", None)
    return make_conninfo(**options)


def _environment(database: RunningDatabase | None) -> dict[str, str]:
    if database is None or database.is_embedded:
        return clean_environment()
    password = connection_options(database.url).get("password")
    return {**os.environ, "LC_ALL": "C"} | ({"PGPASSWORD": password} if password else {})


def _run(command: list[str], database: RunningDatabase | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 — PostgreSQL's own programs, no shell
        command,
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=_environment(database),
    )


# pg_dump 17 and newer write this, and an older server would stop at it.
_UNKNOWN_TO_OLDER_SERVERS = b"SET transaction_timeout = 0;\n"


def _stream(command: list[str], target: IO[bytes]) -> "subprocess.CompletedProcess[str]":
    """Run a program whose output goes to `target`, without the setting that older servers refuse."""
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(  # noqa: S603 — PostgreSQL's own programs, no shell
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, env=_environment(None)
        ) as reader,
    ):
        assert reader.stdout is not None
        try:
            for line in iter(reader.stdout.readline, b""):
                if line == _UNKNOWN_TO_OLDER_SERVERS:
                    break
                target.write(line)
            shutil.copyfileobj(reader.stdout, target, 1024 * 1024)
        except BaseException:
            reader.kill()
            raise
        returncode = reader.wait()
        errors.seek(0)
        return subprocess.CompletedProcess(command, returncode, "", errors.read())


def _reason(errors: str) -> str:
    """The line that says what went wrong; hints, details and consequences stand around it."""
    lines = [line for line in errors.splitlines() if line.strip()]
    return next((line for line in lines if "error:" in line or "ERROR:" in line), lines[-1] if lines else "no reason")
