"""Settings from the environment and `.env`. Everything that can be configured is a field of `Settings`."""

import logging
import os
import secrets
import stat
from contextlib import suppress
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from psycopg import ProgrammingError
from psycopg.conninfo import make_conninfo
from pydantic import BeforeValidator, Field, SecretStr, StringConstraints, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import ArgumentError

ROOT_DATA_DIR = Path("/var/lib/ecompredictor")
MIN_SECRET_BYTES = 32
logger = logging.getLogger(__name__)


class Environment(StrEnum):
    DEVELOPMENT = "development"
    PRODUCTION = "production"


def _split_commas(value: object) -> object:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


CurrencyCode = Annotated[str, StringConstraints(to_upper=True, strip_whitespace=True, pattern=r"^[A-Za-z]{3}$")]


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", env_ignore_empty=True, extra="ignore", frozen=True
    )

    environment: Environment = Environment.DEVELOPMENT
    database_url: SecretStr | None = Field(
        None, description="postgresql://user:password@host:5432/name; without it the embedded server is used"
    )
    data_dir: Path | None = Field(None, description="where the embedded database and the generated key live")
    database_pool_size: Annotated[int, Field(ge=1, le=200)] = 10

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    cors_origins: Annotated[list[str], NoDecode, BeforeValidator(_split_commas)] = []

    secret_key: SecretStr | None = None
    previous_secret_keys: Annotated[list[SecretStr], NoDecode, BeforeValidator(_split_commas)] = Field(
        [], description="keys that stores' credentials may still be sealed with"
    )
    algorithm: Literal["HS256", "HS384", "HS512"] = "HS256"
    access_token_expire_minutes: Annotated[int, Field(ge=1, le=60 * 24 * 365)] = 60
    open_registration: bool | None = Field(None, description="default: open in development, closed in production")
    login_attempts: Annotated[int, Field(ge=1)] = 5
    login_window_seconds: Annotated[int, Field(ge=1)] = 300

    default_currency: CurrencyCode = "USD"
    run_jobs: bool = Field(True, description="run background jobs inside the server process")
    job_concurrency: Annotated[int, Field(ge=1, le=200)] = Field(
        16, description="jobs at a time inside the server process; one that waits for a slow store costs little"
    )
    allow_private_addresses: bool = Field(
        False, description="let stores be on this machine or in a private network, such as one under development"
    )
    max_upload_mb: Annotated[Decimal, Field(gt=0)] = Decimal(1024)
    max_unpacked_mb: Annotated[Decimal, Field(gt=0)] = Decimal(8192)
    max_unpack_ratio: Annotated[int, Field(ge=1)] = 250
    max_record_bytes: Annotated[int, Field(ge=1024)] = 16 * 1024 * 1024
    import_chunk_size: Annotated[int, Field(ge=1, le=50_000)] = 5_000

    @field_validator("database_url", mode="after")
    @classmethod
    def _accept_postgresql_only(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        scheme, separator, rest = value.get_secret_value().strip().partition("://")
        # Hosting platforms hand out postgres://; the older drivers' names mean the same server.
        known = {"postgresql", "postgres", "postgresql+psycopg", "postgresql+psycopg2", "postgresql+asyncpg"}
        url = f"postgresql+psycopg://{rest}"
        try:
            if not separator or scheme not in known:
                raise ValueError
            make_conninfo(**connection_options(url))
        except (ArgumentError, ValueError, ProgrammingError):
            # Without the reason: it may quote the password.
            raise ValueError(
                "must be a PostgreSQL address such as postgresql://user:password@host:5432/name, "
                "special characters in the password written as %40 and the like"
            ) from None
        return SecretStr(url)

    @model_validator(mode="after")
    def _refuse_unsafe_production(self) -> Self:
        if self.environment is not Environment.PRODUCTION:
            return self
        if self.database_url is None:
            raise ValueError("ENVIRONMENT=production needs a DATABASE_URL")
        if self.secret_key is None or len(self.secret_key.get_secret_value().encode()) < MIN_SECRET_BYTES:
            raise ValueError(f"ENVIRONMENT=production needs a SECRET_KEY of {MIN_SECRET_BYTES} bytes or more")
        return self

    @property
    def registration_is_open(self) -> bool:
        if self.open_registration is not None:
            return self.open_registration
        return self.environment is Environment.DEVELOPMENT

    @property
    def max_upload_bytes(self) -> int:
        return int(self.max_upload_mb * 1024 * 1024)

    @property
    def max_unpacked_bytes(self) -> int:
        return int(self.max_unpacked_mb * 1024 * 1024)


def connection_options(url: str) -> dict[str, Any]:
    """What a database address means to libpq: host, port, user, password, dbname and the like."""
    dialect: Any = PGDialect_psycopg  # which is not typed
    options: dict[str, Any]
    _, options = dialect().create_connect_args(make_url(url))
    return options


class ConfigurationError(Exception):
    """A setting that cannot work; the message is a sentence for the person who starts the program."""


def resolve_data_dir(settings: Settings) -> tuple[Path, str | None]:
    """The data folder, and a line to print where it is not the one the reader would expect.

    The embedded server never runs as root: it switches to a system user, and to let that user in it would
    open every parent folder to everybody. So as root a folder below a closed one is never used: the default
    moves to /var/lib/ecompredictor, an explicit one raises ConfigurationError.
    """
    data_dir = (settings.data_dir or Path(".data")).expanduser().resolve()
    if settings.database_url is not None or not is_root():
        return data_dir, None
    closed = closed_parent(data_dir)
    if closed is None:
        return data_dir, None
    if settings.data_dir is not None:
        raise ConfigurationError(
            f"DATA_DIR={data_dir} lies below {closed}, which other users cannot enter. Started as root, the embedded "
            f"PostgreSQL runs as a user of its own and needs a folder it can reach, such as {ROOT_DATA_DIR}."
        )
    return ROOT_DATA_DIR, f"Data are kept in {ROOT_DATA_DIR}, because {closed} is closed to other users."


def is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def closed_parent(path: Path) -> Path | None:
    """The highest existing parent that others cannot read and traverse."""
    for parent in reversed(path.resolve().parents):
        if not parent.exists():
            return None
        if not (mode := parent.stat().st_mode) & stat.S_IXOTH or not mode & stat.S_IROTH:
            return parent
    return None


def resolve_secret_key(settings: Settings, data_dir: Path) -> str:
    """SECRET_KEY, or the one kept in `data_dir`, which is made on first use (mode 0600)."""
    if settings.secret_key is not None:
        key = settings.secret_key.get_secret_value()
        if len(key.encode()) < MIN_SECRET_BYTES:
            logger.warning("SECRET_KEY is shorter than %d bytes: good for trying out only.", MIN_SECRET_BYTES)
        return key
    path = data_dir / "secret_key"
    if not path.exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        draft = data_dir / f"secret_key.{os.getpid()}"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
        # A link appears whole or not at all, and never replaces the key of a process that was faster.
        with suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    key = path.read_text().strip()
    if len(key.encode()) < MIN_SECRET_BYTES:
        raise ConfigurationError(f"{path} is too short for a key; delete it to have a new one made.")
    return key


@lru_cache
def get_settings() -> Settings:
    return Settings()
