"""Following by jobs: what is due is started, by whichever process looks first, and a worker does it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import func, select, text, update

from app.database import Database, driver_connection
from app.ingest.models import Import
from app.runtime.jobs import running_worker
from app.sync import intake, jobs, webhooks
from app.sync.models import Webhook
from app.utils.clock import utc_now
from app.websites.models import Reread, Website
from fakestores.webhooks import WooWebhooks
from tests.sync.conftest import Followed, follow_store, make_shop
from tests.sync.test_runs import stock

SECONDS = 60.0


@pytest.fixture
async def rise(live_database: Database) -> AsyncIterator[Followed]:
    """On a database that keeps what is committed, cleared afterwards."""
    shop = make_shop()
    stock(shop, orders=5)
    yield await follow_store(live_database, shop)
    async with live_database.sessions.begin() as session:
        tables = "websites, imports, users, products, orders, source_records, procrastinate_jobs"
        await session.execute(text(f"TRUNCATE {tables} CASCADE"))


async def tick(rise: Followed) -> None:
    """What the periodic job does every minute."""
    context: Any = SimpleNamespace(additional_context={"sync": rise.context})
    await jobs.follow_stores.func(context, 0)


async def count(rise: Followed, of: Any, *where: Any) -> int:
    async with rise.context.database.sessions() as session:
        return await session.scalar(select(func.count()).select_from(of).where(*where)) or 0


async def work_until(rise: Followed, done: Any) -> None:
    async with asyncio.timeout(SECONDS), running_worker(rise.context.database, concurrency=4, sync=rise.context):
        while not await done():  # noqa: ASYNC110 — told by the database alone
            await asyncio.sleep(0.1)


async def all_ended(rise: Followed) -> bool:
    return await count(rise, Import, Import.status.in_(["queued", "running"])) == 0


async def test_a_new_store_is_read_without_being_asked(rise: Followed):
    await tick(rise)
    assert await count(rise, Import, Import.status == "queued") == 3
    website = await rise.get_website()
    assert website.next_sync_at is not None
    assert website.next_sync_at > utc_now()
    # Another process looks at the same minute, and finds nothing to do.
    await tick(rise)
    assert await count(rise, Import) == 3

    await work_until(rise, lambda: all_ended(rise))

    assert await count(rise, Import, Import.status == "succeeded") == 3


async def test_a_sweep_when_it_is_due(rise: Followed):
    async with rise.context.database.sessions.begin() as session:
        await session.execute(
            update(Website).values(next_sync_at=utc_now() + timedelta(hours=1), next_reconcile_at=utc_now())
        )
    await tick(rise)
    async with rise.context.database.sessions() as session:
        names = await session.scalars(select(Import.file_name).order_by(Import.id))
    assert list(names) == ["customers: sweep", "products: sweep", "orders: sweep"]


async def test_a_new_store_is_compared_when_all_of_it_was_read(rise: Followed):
    async def is_due() -> bool:
        website = await rise.get_website()
        return website.next_reconcile_at is not None and website.next_reconcile_at <= utc_now()

    assert not await is_due()
    await rise.run("changes", "products", "customers")
    assert not await is_due()
    await rise.run("changes", "orders")
    assert await is_due()
    await tick(rise)
    await work_until(rise, lambda: all_ended(rise))
    assert not await is_due()
    # What is read of it anew later is compared at night, as ever.
    await rise.run("everything")
    assert not await is_due()


async def test_a_store_that_is_never_compared_stays_so(rise: Followed):
    async with rise.context.database.sessions.begin() as session:
        await session.execute(update(Website).values(reconcile_schedule=None, next_reconcile_at=None))
    await rise.run()
    assert (await rise.get_website()).next_reconcile_at is None


@pytest.mark.parametrize("change", [{"is_active": False}, {"next_sync_at": None}])
async def test_what_is_not_followed_is_left_alone(rise: Followed, change: dict[str, Any]):
    async with rise.context.database.sessions.begin() as session:
        await session.execute(update(Website).values(**change))
    await tick(rise)
    assert await count(rise, Import) == 0


async def test_what_waits_is_read_again(rise: Followed):
    await rise.run()
    async with rise.context.database.sessions.begin() as session:
        session.add_all(
            [
                Reread(source_website="rise", kind="order", external_id="1", reason="webhook"),
                Reread(
                    source_website="rise", kind="order", external_id="2", reason="webhook",
                    not_before=utc_now() + timedelta(hours=1),
                ),
            ]
        )  # fmt: skip
    await tick(rise)
    await tick(rise)  # it is queued already

    async def only_the_later_one_waits() -> bool:
        return await rise.find_waiting() == [("order", "2")]

    await work_until(rise, only_the_later_one_waits)


async def test_a_delivery_is_processed_by_the_job_of_its_transaction(rise: Followed):
    hooks = WooWebhooks(rise.shop, base_url="https://rise.example")
    hooks.subscribe("customer.created", "https://here.example")
    hooks.take()
    rise.shop.add_customer("late@example.com", "Late", "Comer")
    (delivery,) = hooks.take()
    await intake.Intake(rise.context.database).keep("rise", delivery.topic, delivery.body)

    async def is_done() -> bool:
        return await count(rise, Webhook, Webhook.status == "done") == 1

    await work_until(rise, is_done)


async def test_a_delivery_whose_job_was_lost(rise: Followed):
    async with rise.context.database.sessions.begin() as session:
        session.add(
            Webhook(
                source_website="rise", topic="coupon.created", body=b"{}", body_hash=b"",
                received_at=utc_now() - timedelta(minutes=5),
            )
        )  # fmt: skip
    await tick(rise)

    async def is_settled() -> bool:
        return await count(rise, Webhook, Webhook.status == "ignored") == 1

    await work_until(rise, is_settled)


async def test_many_deliveries_at_a_moment(rise: Followed):
    receiving = intake.Intake(rise.context.database)
    bodies = [f'{{"id": {number % 40}}}'.encode() for number in range(120)]
    await asyncio.gather(*(receiving.keep("rise", "coupon.created", body) for body in bodies))
    assert await count(rise, Webhook) == 40


async def test_a_delivery_defers_the_job_that_a_lost_one_gets(rise: Followed):
    database = rise.context.database
    await intake.Intake(database).keep("rise", "coupon.created", b"{}")
    async with database.sessions.begin() as session:
        await webhooks.defer_processing(session, "rise")
    columns = "queue_name, task_name, priority, lock, queueing_lock, args, status, scheduled_at, attempts"
    async with database.sessions() as session:
        taken, lost = (await session.execute(text(f"SELECT {columns} FROM procrastinate_jobs ORDER BY id"))).all()
    assert tuple(taken) == tuple(lost)


async def test_workers_are_told_of_a_delivery(rise: Followed):
    database = rise.context.database
    async with database.reads() as session:
        listener = await driver_connection(session)
        await listener.execute("LISTEN procrastinate_any_queue_v1")
        await intake.Intake(database).keep("rise", "coupon.created", b"{}")
        told = [each.payload async for each in listener.notifies(timeout=SECONDS, stop_after=1)]
    assert "job_inserted" in told[0]


async def test_of_deliveries_at_a_moment_one_sender_may_go(rise: Followed):
    receiving = intake.Intake(rise.context.database)
    sending = [
        asyncio.create_task(receiving.keep("rise", "coupon.created", f'{{"id": {number}}}'.encode()))
        for number in range(5)
    ]
    await asyncio.sleep(0)
    sending[2].cancel()
    answers = await asyncio.gather(*sending, return_exceptions=True)
    assert [answer is None for answer in answers] == [True, True, False, True, True]
    assert await count(rise, Webhook) == 5


async def test_a_delivery_that_cannot_be_stored_says_so(rise: Followed):
    """So do those that came with it: their store sends them again."""
    receiving = intake.Intake(rise.context.database)
    senders = ("rise", "nobody", "rise")
    answers = await asyncio.gather(
        *(receiving.keep(sender, "order.created", b"{}") for sender in senders), return_exceptions=True
    )
    assert ["violates foreign key" in str(answer) for answer in answers] == [True, True, True]
    assert await count(rise, Webhook) == 0
    await receiving.keep("rise", "order.created", b"{}")
    assert await count(rise, Webhook) == 1
