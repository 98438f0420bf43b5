from collections.abc import Iterator
from importlib.metadata import version

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from app.config import ConfigurationError
from app.runtime import migrations
from tests.conftest import new_database

# Everything that can be left behind in a schema.
LEFT_OVER = """
SELECT 'table ' || relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
UNION ALL SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL SELECT 'type ' || typname FROM pg_type WHERE typnamespace = 'public'::regnamespace
"""


@pytest.fixture
def scratch_url(server_url: str) -> Iterator[str]:
    with new_database(server_url) as url:
        yield url


def fetch(url: str, statement: str) -> set[str]:
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        return set(connection.scalars(text(statement)))


def test_there_is_one_head():
    assert len(ScriptDirectory.from_config(Config("alembic.ini")).get_heads()) == 1


def test_head_to_base_to_head(scratch_url: str):
    migrations.upgrade(scratch_url)
    at_head = fetch(scratch_url, LEFT_OVER)
    migrations.downgrade(scratch_url, "base")
    own = {"table alembic_version", "table alembic_version_pkc", "type alembic_version", "type _alembic_version"}
    assert fetch(scratch_url, LEFT_OVER) == own
    migrations.upgrade(scratch_url)
    assert fetch(scratch_url, LEFT_OVER) == at_head


def test_models_match_the_migrations(database_url: str):
    migrations.check(database_url)


def test_the_job_queue_has_the_version_of_its_library(database_url: str):
    """A newer library may need a newer schema: then a migration applies it and renews the note."""
    noted = fetch(database_url, "SELECT obj_description('procrastinate_jobs'::regclass)")
    assert noted == {f"procrastinate {version('procrastinate')}"}


def test_only_head_is_accepted(scratch_url: str):
    with pytest.raises(ConfigurationError, match=r"no tables yet.*ecompredictor migrate"):
        migrations.require_head(scratch_url)
    migrations.upgrade(scratch_url, "0001")
    with pytest.raises(ConfigurationError, match=r"revision 0001.*ecompredictor migrate"):
        migrations.require_head(scratch_url)
    migrations.upgrade(scratch_url)
    migrations.require_head(scratch_url)
    engine = create_engine(scratch_url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'future'"))
    with pytest.raises(ConfigurationError, match="newer version"):
        migrations.require_head(scratch_url)
