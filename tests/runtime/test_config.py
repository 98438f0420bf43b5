import re
import stat
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app import config
from app.config import ConfigurationError, Settings, resolve_data_dir, resolve_secret_key

KEY = "k" * 32
URL = "postgresql://user:secret@host:5432/name"
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def make_settings(**values: Any) -> Settings:
    return Settings(_env_file=None, **values)


def test_production_with_everything_starts():
    settings = make_settings(environment="production", database_url=URL, secret_key=KEY)
    assert not settings.registration_is_open
    assert make_settings().registration_is_open


@pytest.mark.parametrize(
    ("values", "missing"),
    [
        ({"secret_key": KEY}, "DATABASE_URL"),
        ({"database_url": URL}, "SECRET_KEY"),
        ({"database_url": URL, "secret_key": "k" * 31}, "SECRET_KEY of 32 bytes"),
    ],
)
def test_production_refuses_to_start_without(values: dict[str, str], missing: str):
    with pytest.raises(ValidationError, match=missing):
        make_settings(environment="production", **values)


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_algorithm(algorithm: str):
    assert make_settings(algorithm=algorithm).algorithm == algorithm


@pytest.mark.parametrize("algorithm", ["none", "RS256", "hs256"])
def test_other_algorithms_are_refused(algorithm: str):
    with pytest.raises(ValidationError, match="HS512"):
        make_settings(algorithm=algorithm)


@pytest.mark.parametrize(
    "url",
    [
        URL,
        "postgres://user:secret@host:5432/name",
        "postgresql+psycopg2://user:secret@host/name",
        "postgresql+asyncpg://user:secret@host/name",
        "  postgresql://user:secret@host/name?sslmode=require\n",
    ],
)
def test_database_url(url: str):
    given = make_settings(database_url=url).database_url
    assert given is not None
    assert given.get_secret_value().startswith("postgresql+psycopg://user:secret@host")


@pytest.mark.parametrize(
    "url",
    ["mysql://user:secret@host/name", "secret", "postgresql://user:secret@host:port/name", f"{URL}?ssl=secret"],
)
def test_other_database_urls_are_refused_without_telling_the_password(url: str):
    with pytest.raises(ValidationError) as caught:
        make_settings(database_url=url)
    assert "must be a PostgreSQL address" in caught.value.errors()[0]["msg"]
    assert "secret" not in caught.value.errors()[0]["msg"]


def test_the_environment_and_env_file_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / ".env").write_text("CORS_ORIGINS=https://a.example, https://b.example\nPORT=1\nSECRET_KEY=\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PORT", "2")
    settings = Settings()
    assert settings.cors_origins == ["https://a.example", "https://b.example"]
    assert settings.port == 2
    assert settings.secret_key is None


def test_env_example_names_every_setting():
    named = set(re.findall(r"^(?:# )?([A-Z_]+)=", (REPOSITORY / ".env.example").read_text(), re.MULTILINE))
    assert named - {"POSTGRES_PASSWORD"} == {name.upper() for name in Settings.model_fields}


def test_the_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path):
    data_dir = tmp_path / "new"
    key = resolve_secret_key(make_settings(), data_dir)
    assert len(key) >= 32
    assert resolve_secret_key(make_settings(), data_dir) == key
    assert resolve_secret_key(make_settings(secret_key="mine"), data_dir) == "mine"
    assert [path.name for path in data_dir.iterdir()] == ["secret_key"]
    assert stat.S_IMODE((data_dir / "secret_key").stat().st_mode) == 0o600


def test_a_short_key_file_is_refused(tmp_path: Path):
    (tmp_path / "secret_key").write_text("short")
    with pytest.raises(ConfigurationError, match="too short"):
        resolve_secret_key(make_settings(), tmp_path)


@pytest.fixture
def closed_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory that only its owner may enter, whatever pytest makes of the folders above it."""
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o700)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(config, "closed_parent", lambda path: folder if path.is_relative_to(folder) else None)
    return folder


def test_root_keeps_its_data_where_the_server_can_reach_them(closed_folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(config, "is_root", lambda: True)
    data_dir, notice = resolve_data_dir(make_settings())
    assert data_dir == config.ROOT_DATA_DIR
    assert notice is not None
    assert str(closed_folder) in notice
    with pytest.raises(ConfigurationError, match="cannot enter"):
        resolve_data_dir(make_settings(data_dir=closed_folder / "data"))
    # An external server does not care.
    assert resolve_data_dir(make_settings(database_url=URL)) == (closed_folder / ".data", None)


def test_an_ordinary_user_keeps_data_anywhere(closed_folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(config, "is_root", lambda: False)
    assert resolve_data_dir(make_settings()) == (closed_folder / ".data", None)
    assert resolve_data_dir(make_settings(data_dir="here")) == (closed_folder / "here", None)


def test_a_closed_parent_is_found_through_links(tmp_path: Path):
    closed = tmp_path / "closed"
    (closed / "open").mkdir(parents=True)
    closed.chmod(0o700)
    link = tmp_path / "link"
    link.symlink_to(closed / "open")
    found = config.closed_parent(link / "data")
    assert found is not None
    assert closed.is_relative_to(found)


def test_a_short_key_is_for_trying_out(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    short = Settings(_env_file=None, secret_key="your-super-secret-key-here")
    assert resolve_secret_key(short, tmp_path) == "your-super-secret-key-here"
    assert "shorter than 32 bytes" in caplog.text
    assert "your-super" not in caplog.text
