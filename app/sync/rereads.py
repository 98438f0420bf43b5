"""Reading again, by id, what could not be trusted: what the store says then counts, whatever was told before."""

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from procrastinate.exceptions import AlreadyEnqueued
from sqlalchemy import Select, delete, func, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import ConfigurationError
from app.connectors.base import BATCH, Connector, Found, Resource
from app.connectors.errors import StoreError
from app.database import driver_connection
from app.ingest.loader import merging
from app.ingest.merge.tombstones import bury
from app.ingest.models import ImportOrigin
from app.ingest.records import Item, Parsed, ProductRecord, Record, Rejected
from app.orders.models import Order
from app.products.models import Product
from app.runtime.jobs import queue
from app.sync import sweeps
from app.sync.deliveries import Told
from app.sync.platforms import KINDS, SyncContext, open_store, parse_all, platform_of
from app.sync.service import get_daily_import, take
from app.users.models import User
from app.utils.clock import utc_now
from app.websites.models import Reread, SourceKind, SourceRecord, Website
from app.websites.service import get_website

logger = logging.getLogger(__name__)

RESOURCES: dict[str, Resource] = {kind: resource for resource, kind in KINDS.items()}
LONGEST_WAIT = timedelta(hours=6)


async def defer_rereads(session: AsyncSession, website: str) -> None:
    """Queue the reading of what there is to read again, in the session's transaction; once is enough."""
    if await session.scalar(select(_due(website).exists())):
        task = queue.configure_task(
            "reread_records",
            connection=await driver_connection(session),
            lock=f"reread {website}",
            queueing_lock=f"reread {website}",
        )
        # The connection's own savepoint: a session's begins with its next statement, and this is none of its.
        with suppress(AlreadyEnqueued):
            async with (await session.connection()).begin_nested():
                await task.defer_async(website=website)


async def reread_records(context: SyncContext, website_name: str) -> int:
    """Read again all that is due; how many records there were. What the store cannot give now is tried later.

    Raises StoreError where the store as a whole cannot be read.
    """
    async with context.database.reads() as session:
        website = await get_website(session, website_name)
        if not website.is_followed or not await session.scalar(select(_due(website_name).exists())):
            return 0
    done = 0
    try:
        async with open_store(context, website) as store:
            while batch := await _take_due(context, website_name):
                await _reread(context, website, store, batch)
                done += len(batch)
    except (StoreError, ConfigurationError) as error:
        logger.warning("Reading records of %s again: %s", website_name, error)
        async with context.database.sessions.begin() as session:
            later = utc_now() + timedelta(minutes=5)
            await session.execute(
                update(Reread).where(Reread.source_website == website_name).values(not_before=later, error=str(error))
            )
    return done


def _due(website: str) -> Select[Reread]:
    return (
        select(Reread)
        .where(Reread.source_website == website, or_(Reread.not_before.is_(None), Reread.not_before <= utc_now()))
        .order_by(Reread.kind, Reread.asked_at)
    )


async def _take_due(context: SyncContext, website: str) -> list[Reread]:
    """Of one kind."""
    async with context.database.reads() as session:
        due = list(await session.scalars(_due(website).limit(BATCH)))
    return [each for each in due if each.kind == due[0].kind]


async def _reread(context: SyncContext, website: Website, store: Connector, batch: Sequence[Reread]) -> None:
    kind = batch[0].kind
    asked = {each.external_id: each for each in batch}
    asked_at = utc_now()
    found = await store.read_again(RESOURCES[kind], list(asked))
    items = await asyncio.to_thread(parse_all, platform_of(website), found.raws)
    async with merging(context.database) as session:
        # Something newer may have come meanwhile, by a webhook: these stay asked for, and are read once more.
        overtaken = await _find_written_since(session, website.name, kind, list(asked), asked_at)
        items = [item for item in items if not (isinstance(item, Parsed) and _reread_key(item.record) in overtaken)]
        await take(context, session, website, await get_daily_import(session, website, ImportOrigin.REREAD), items,
                   is_trusted=True)  # fmt: skip
        await bury(session, website.name, kind, [key for key in found.gone if key not in overtaken], utc_now())
        children = {parent: those for parent, those in found.children.items() if parent not in overtaken}
        await bury_lost_variations(session, website.name, children)
        settled = {key: each for key, each in asked.items() if key not in overtaken}
        await _settle(session, website.name, settled, found)
        read = settled.keys() - found.failed.keys() - set(found.gone)
        refused = _list_refused_orders(items)
        await sweeps.remember_rejects(session, website.name, SourceKind(kind), sorted(read), refused)


def _list_refused_orders(items: Sequence[Item]) -> list[str]:
    """The ids of those that cannot be taken as they are now, by the places that `parse_all` gives."""
    places = [item.place for item in items if isinstance(item, Rejected) and item.kind == SourceKind.ORDER]
    return [place.rpartition(" ")[2].rpartition("/")[2] for place in places]


def _reread_key(record: Record) -> str:
    """By what a record is asked for again: a variation or variant by its product."""
    return (record.parent_key or record.group_key or record.key) if isinstance(record, ProductRecord) else record.key


async def _find_written_since(
    session: AsyncSession, website: str, kind: str, external_ids: Sequence[str], moment: datetime
) -> set[str]:
    """Those of which a row of ours was written after that moment, a variation's for its product."""
    product = func.coalesce(SourceRecord.said["parent"].astext, SourceRecord.said["group"].astext)
    key = func.coalesce(product, SourceRecord.external_id)
    statement = (
        select(key)
        .outerjoin(Order, Order.id == SourceRecord.order_id)
        .outerjoin(Product, Product.id == SourceRecord.product_id)
        .outerjoin(User, User.id == SourceRecord.user_id)
        .where(
            SourceRecord.source_website == website,
            SourceRecord.kind == kind,
            or_(SourceRecord.external_id.in_(external_ids), product.in_(external_ids)),
            func.coalesce(Order.updated_at, Product.updated_at, User.updated_at) > moment,
        )
    )
    return set(await session.scalars(statement))


async def _settle(session: AsyncSession, website: str, asked: Mapping[str, Reread], found: Found) -> None:
    """Those that were read are done, unless they were asked for again meanwhile."""
    done = [(each.kind, each.external_id, each.asked_at) for key, each in asked.items() if key not in found.failed]
    if done:
        await session.execute(
            delete(Reread).where(
                Reread.source_website == website,
                tuple_(Reread.kind, Reread.external_id, Reread.asked_at).in_(done),
            )
        )
    for key, reason in found.failed.items():
        if key not in asked:
            continue
        tried = asked[key].attempts + 1
        await session.execute(
            update(Reread)
            .where(Reread.source_website == website, Reread.kind == asked[key].kind, Reread.external_id == key)
            .values(
                attempts=tried,
                error=reason,
                not_before=utc_now() + min(timedelta(minutes=2 ** min(tried, 20)), LONGEST_WAIT),
            )
        )


async def bury_lost_variations(session: AsyncSession, website: str, children: Mapping[str, Sequence[str]]) -> None:
    """The variations or variants that we know of these products, and that are none of theirs any longer."""
    known = await _list_variations(session, website, children)
    lost = [variation for product, variation, _ in known if variation not in set(children[product])]
    await bury(session, website, "product", lost, utc_now())


async def bury_variants(session: AsyncSession, website: str, told: Sequence[Told]) -> set[str]:
    """Those that a delivery no longer lists; the products of which it cannot be said, to be read again.

    A delivery may come late, or once more: of a variant that was known to be there at a later moment it says nothing.
    """
    known = await _list_variations(session, website, {each.product_id for each in told})
    lost: set[str] = set()
    again: set[str] = set()
    for each in told:
        for product, variation, said_at in known:
            if product != each.product_id or variation in each.variant_ids:
                continue
            if said_at is None or said_at < each.at:
                lost.add(variation)
            elif said_at == each.at:
                again.add(product)
    await bury(session, website, "product", sorted(lost), utc_now())
    return again


async def _list_variations(
    session: AsyncSession, website: str, products: Collection[str]
) -> list[tuple[str, str, datetime | None]]:
    """Of these products those that are there, for all we know: (product, variation or variant, the date it has)."""
    if not products:
        return []
    parent = func.coalesce(SourceRecord.said["parent"].astext, SourceRecord.said["group"].astext)
    known = await session.execute(
        select(parent, SourceRecord.external_id, SourceRecord.source_updated_at).where(
            SourceRecord.source_website == website,
            SourceRecord.kind == "product",
            parent.in_(products),
            SourceRecord.deleted_at.is_(None),
        )
    )
    return [(product, variation, said_at) for product, variation, said_at in known]
