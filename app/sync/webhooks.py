"""Webhooks: a delivery is checked and stored, and answered before anything is done about it."""

import asyncio
import logging
from collections.abc import Mapping, Sequence

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.connectors.base import Raw
from app.database import driver_connection
from app.ingest.loader import merging
from app.ingest.models import ImportOrigin
from app.runtime.jobs import queue
from app.sync import redactions
from app.sync.deliveries import Told, is_signed
from app.sync.keys import Receiver
from app.sync.models import Webhook, WebhookStatus
from app.sync.platforms import KINDS, SyncContext, parse_all, platform_of
from app.sync.rereads import bury_variants, defer_rereads
from app.sync.service import get_daily_import, take
from app.utils.clock import utc_now
from app.utils.errors import Unauthorized
from app.websites.models import Reread
from app.websites.service import get_website

logger = logging.getLogger(__name__)

BATCH = 200


def check_delivery(website: str, receiver: Receiver, headers: Mapping[str, str], body: bytes) -> str | None:
    """Its topic; None for a ping, which has none. Raises Unauthorized where it is not signed with a secret of ours."""
    platform = receiver.platform
    if platform.is_ping(headers, body):
        return None
    if not receiver.secrets:
        raise Unauthorized(f"{website} has no webhook_secret here: set the one that the store signs with.")
    if not is_signed(body, headers.get(platform.signature_header, ""), receiver.secrets):
        raise Unauthorized("The signature is missing, or is not of this body with the secret that is set here.")
    return headers.get(platform.topic_header, "")


async def defer_processing(session: AsyncSession, website: str) -> None:
    """A job with every transaction: the first one processes all that is there, and the others find nothing to do."""
    task = queue.configure_task(
        "process_webhooks", connection=await driver_connection(session), lock=f"webhooks of {website}"
    )
    await task.defer_async(website=website)


async def process_webhooks(context: SyncContext, website_name: str) -> int:
    """Merge what has come, in the order it came; how many deliveries."""
    done = 0
    while taken := await _process_batch(context, website_name):
        done += taken
    return done


async def _process_batch(context: SyncContext, website_name: str) -> int:
    async with context.database.reads() as session:
        website = await get_website(session, website_name)
        waiting = (
            select(Webhook.id, Webhook.topic, Webhook.body)
            .where(Webhook.source_website == website_name, Webhook.status == WebhookStatus.PENDING)
            .order_by(Webhook.id)
            .limit(BATCH)
        )
        rows = (await session.execute(waiting)).all()
    if not rows:
        return 0
    if website.platform is None:
        return await _put_aside(context, [row.id for row in rows])
    platform = platform_of(website)
    forget: list[str] = []
    forgets_store = False
    raws: list[Raw] = []
    told: list[Told] = []
    again: set[tuple[str, str]] = set()
    settled: dict[int, tuple[WebhookStatus, str | None]] = {}
    for row in rows:
        try:
            meaning = platform.read_delivery(row.topic, row.body)
        except ValueError as error:
            settled[row.id] = (WebhookStatus.FAILED, str(error))
            continue
        raws += meaning.raws
        told += meaning.told
        again |= {(KINDS[resource], external_id) for resource, external_id in meaning.again}
        forget += meaning.forget
        forgets_store |= meaning.forget_store
        settled[row.id] = (WebhookStatus.IGNORED if meaning.note else WebhookStatus.DONE, meaning.note)
    # Before the deliveries are settled: what is cut off here is done once more, and does no harm.
    await redactions.forget_customers(context, website_name, forget)
    if forgets_store:
        await redactions.forget_store(context, website_name)
    items = await asyncio.to_thread(parse_all, platform, raws)
    async with merging(context.database) as session:
        if items:
            job = await get_daily_import(session, website, ImportOrigin.WEBHOOK)
            await take(context, session, website, job, items)
        again |= {("product", each) for each in await bury_variants(session, website_name, told)}
        await ask_for(session, website_name, again, "webhook")
        for status, note in set(settled.values()):
            ids = [key for key, value in settled.items() if value == (status, note)]
            settle = update(Webhook).where(Webhook.id.in_(ids), Webhook.status == WebhookStatus.PENDING)
            await session.execute(settle.values(status=status, note=note, processed_at=utc_now()))
        await defer_rereads(session, website_name)
    return len(rows)


async def _put_aside(context: SyncContext, ids: Sequence[int]) -> int:
    async with context.database.sessions.begin() as session:
        note = "the website was a store when this came, and is none any longer"
        settle = update(Webhook).where(Webhook.id.in_(ids), Webhook.status == WebhookStatus.PENDING)
        await session.execute(settle.values(status=WebhookStatus.IGNORED, note=note, processed_at=utc_now()))
    return len(ids)


async def ask_for(session: AsyncSession, website: str, records: set[tuple[str, str]], reason: str) -> None:
    """Have records read again, each by its kind and id."""
    if not records:
        return
    rows: list[Mapping[str, str]] = [
        {"source_website": website, "kind": kind, "external_id": external_id, "reason": reason}
        for kind, external_id in sorted(records)
    ]
    anew = {"asked_at": func.clock_timestamp(), "not_before": None, "attempts": 0}
    key = [Reread.source_website, Reread.kind, Reread.external_id]
    await session.execute(insert(Reread).values(rows).on_conflict_do_update(index_elements=key, set_=anew))
