"""A shop that was predicted from a day in its past, so that what came is known."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date

import httpx
import pytest

from app.auth.service import create_token
from app.config import Settings
from app.database import Database
from app.main import create_app
from app.predictions import service
from app.predictions.engine.execution import execute
from app.predictions.models import PredictionRun
from app.predictions.schemas import RunCreate
from app.runtime import migrations
from benchmarks import dataset
from tests.builders import create_admin
from tests.conftest import new_database

AS_OF = date(2025, 6, 30)


async def predict(database: Database, **request: object) -> PredictionRun:
    """A run in this process, to its end."""
    async with database.sessions.begin() as session:
        run = await service.start_run(session, RunCreate.model_validate(request))
    await asyncio.to_thread(execute, database.url, run.id)
    async with database.reads() as session:
        return await service.get_run(session, run.id)


@pytest.fixture(scope="module")
async def shop(server_url: str) -> AsyncIterator[Database]:
    """Three websites with orders of four years, in a database of its own."""
    with new_database(server_url) as url:
        migrations.upgrade(url)
        dataset.fill(url, dataset.Size(users=600, products=90, orders=9_000, lines=21_000))
        database = Database(url)
        yield database
        await database.dispose()


@pytest.fixture(scope="module")
async def run(shop: Database) -> PredictionRun:
    return await predict(shop, as_of=AS_OF, seed=1)


@pytest.fixture(scope="module")
async def shop_api(settings: Settings, shop: Database) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings, shop)
    async with shop.sessions.begin() as session:
        admin = await create_admin(session)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False),
        base_url="http://test/api/v1",
        headers={"Authorization": f"Bearer {create_token(app.state.token_settings, admin.id)}"},
    ) as client:
        yield client
