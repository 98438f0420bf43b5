"""Shops whose buyers were drawn from known parameters, predicted from a day in their past."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import httpx
import numpy as np
import psycopg
import pytest
from sqlalchemy import make_url

from app.auth.service import create_token
from app.config import Settings
from app.database import Database
from app.main import create_app
from app.predictions.clv.simulate import PurchaseLog, simulate
from app.predictions.models import PredictionRun
from app.runtime import migrations
from tests.builders import create_admin
from tests.conftest import new_database
from tests.predictions.conftest import predict

START = date(2024, 1, 1)
AS_OF = START + timedelta(weeks=91, days=-1)
HORIZON = 91
SPEND = (6.25, 3.74, 15.44)
PARETO = (0.553, 10.578, 0.606, 11.669)


@dataclass(frozen=True)
class Bought:
    """An order that the shops hold."""

    website: str
    currency: str
    user: int
    day: date
    amount: float


def draw_orders() -> list[Bought]:
    """Two websites in dollars that have every fifth consumer in common, and one in euros with 37 buyers."""
    orders: list[Bought] = []
    for website, currency, buyers, first_user, seed in (
        ("sailor", "USD", 1_200, 1, 1),
        ("rise", "USD", 300, 1_141, 2),
        ("outlet", "EUR", 37, 2_001, 3),
    ):
        log = simulate("pareto_nbd", PARETO, SPEND, buyers=buyers, arrivals=52.0, weeks=104.0, seed=seed)
        orders += [
            Bought(website, currency, first_user + int(who), START + timedelta(days=int(week * 7)), round(amount, 2))
            for who, week, amount in zip(log.consumer, log.time, log.amount + 0.01, strict=True)
        ]
    return orders


def fill(url: str, orders: list[Bought]) -> None:
    """With what is no purchase, who has not bought, and orders of nobody known besides."""
    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO websites (name) VALUES ('sailor'), ('rise'), ('outlet')")
        with cursor.copy("COPY users (id, name, phone, email, source_website, is_active) FROM STDIN") as copy:
            for user in sorted({each.user for each in orders} | set(range(3_001, 3_006))):
                copy.write_row((user, f"User {user}", "", f"u{user}@example.com", "sailor", True))
            for user in range(4_001, 4_011):
                copy.write_row((user, "Guest", "", f"anonymous-{user}@sailor.invalid", "sailor", True))
        known = {(each.website, each.user) for each in orders} | {("sailor", user) for user in range(3_001, 3_006)}
        with cursor.copy("COPY source_records (source_website, kind, external_id, user_id) FROM STDIN") as copy:
            for website, user in sorted(known):
                copy.write_row((website, "consumer", str(user), user))
        extra = [("cancelled", False, 0.0), ("confirmed", True, 0.0), ("delivered", False, 1.0)]
        columns = (
            "order_number, user_id, source_website, currency, total_amount, refunded_total, status, is_test, placed_at"
        )
        with cursor.copy(f"COPY orders ({columns}) FROM STDIN") as copy:
            for number, each in enumerate(orders):
                moment = datetime(each.day.year, each.day.month, each.day.day, 12, tzinfo=UTC)
                row = (each.user, each.website, each.currency, each.amount)
                copy.write_row((f"O{number}", *row, 0, "delivered", False, moment))
                if number % 50 == 0:
                    status, is_test, refunded = extra[number // 50 % 3]
                    again = moment + timedelta(days=1)
                    copy.write_row((f"X{number}", *row, each.amount * refunded, status, is_test, again))
            for user in range(4_001, 4_011):
                moment = datetime(2024, 6, 1, 12, tzinfo=UTC)
                copy.write_row((f"G{user}", user, "sailor", "USD", 50, 0, "delivered", False, moment))


@pytest.fixture(scope="module")
def orders() -> list[Bought]:
    return draw_orders()


@pytest.fixture(scope="module")
async def shops(server_url: str, orders: list[Bought]) -> AsyncIterator[Database]:
    with new_database(server_url) as url:
        migrations.upgrade(url)
        fill(url, orders)
        database = Database(url)
        yield database
        await database.dispose()


@pytest.fixture(scope="module")
async def said(shops: Database) -> PredictionRun:
    return await predict(shops, as_of=AS_OF, seed=1, horizon_days=HORIZON)


@pytest.fixture(scope="module")
async def shops_api(settings: Settings, shops: Database, said: PredictionRun) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings, shops)
    async with shops.sessions.begin() as session:
        admin = await create_admin(session)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False),
        base_url="http://test/api/v1",
        headers={"Authorization": f"Bearer {create_token(app.state.token_settings, admin.id)}"},
    ) as client:
        yield client


def as_log(orders: list[Bought]) -> PurchaseLog:
    """A purchase a day, in weeks from the day before the first."""
    return PurchaseLog.of(
        np.array([each.user for each in orders]),
        np.array([((each.day - START).days + 1) / 7 for each in orders]),
        np.array([each.amount for each in orders]),
    )
