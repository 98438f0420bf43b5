"""The background side of following stores."""

import logging
from datetime import timedelta

from procrastinate import JobContext, RetryStrategy
from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.connectors.base import RESOURCES, Resource
from app.database import driver_connection
from app.ingest.models import Import
from app.privacy.service import purge_payloads_before
from app.runtime.jobs import queue
from app.sync import rereads, runs, service, webhooks
from app.sync.models import Webhook, WebhookStatus
from app.sync.platforms import SyncContext
from app.utils.clock import utc_now
from app.websites.models import Reread, Website
from app.websites.schedules import find_next

logger = logging.getLogger(__name__)

# For a database that went away or a server that was stopped; what a store does wrong ends the run, not the job.
_RETRY = RetryStrategy(max_attempts=20, linear_wait=3)
KEEP_PAYLOADS = timedelta(days=90)
WAITS_FOR_A_JOB = timedelta(seconds=30)


def _sync_context(context: JobContext) -> SyncContext:
    found: SyncContext = context.additional_context["sync"]
    return found


@queue.task(name="sync_resource", pass_context=True, retry=_RETRY)
async def sync_resource_job(context: JobContext, *, import_id: int) -> None:
    await runs.run(_sync_context(context), import_id)


@queue.task(name="reread_records", pass_context=True, retry=_RETRY)
async def reread_records_job(context: JobContext, *, website: str) -> None:
    await rereads.reread_records(_sync_context(context), website)


@queue.task(name="process_webhooks", pass_context=True, retry=_RETRY)
async def process_webhooks_job(context: JobContext, *, website: str) -> None:
    await webhooks.process_webhooks(_sync_context(context), website)


async def start_runs(
    session: AsyncSession, website: str, mode: service.Mode, resources: tuple[Resource, ...] = RESOURCES
) -> list[Import]:
    """The runs, queued in the session's transaction, or those that are under way. Raises as `service.start_runs`."""
    driver = await driver_connection(session)
    started = await service.start_runs(session, website, mode, resources)
    for job, is_new in started:
        if is_new:
            # One run per store and resource at a time; a store that is slow holds up its own runs alone.
            task = sync_resource_job.configure(connection=driver, lock=f"{job.options['resource']} of {website}")
            await task.defer_async(import_id=job.id)
    return [job for job, _ in started]


@queue.periodic(cron="* * * * *")
@queue.task(name="follow_stores", pass_context=True, queueing_lock="follow stores")
async def follow_stores(context: JobContext, timestamp: int) -> None:
    """Start what is due, and what was left lying."""
    database = _sync_context(context).database
    now = utc_now()
    async with database.reads() as session:
        due = or_(Website.next_sync_at <= now, Website.next_reconcile_at <= now)
        followed = (Website.platform.is_not(None), Website.is_active)
        names = list(await session.scalars(select(Website.name).where(*followed, due)))
        is_due = or_(Reread.not_before.is_(None), Reread.not_before <= now)
        due_again = select(Reread.source_website).join(Website, Website.name == Reread.source_website).distinct()
        waiting = set(await session.scalars(due_again.where(*followed, is_due)))
        forgotten = Webhook.received_at < now - WAITS_FOR_A_JOB
        pending = (Webhook.status == WebhookStatus.PENDING, forgotten)
        unprocessed = set(await session.scalars(select(Webhook.source_website).where(*pending).distinct()))
    for name in names:
        async with database.sessions.begin() as session:
            await _start_due(session, name)
    for name in sorted(waiting):
        async with database.sessions.begin() as session:
            await rereads.defer_rereads(session, name)
    for name in sorted(unprocessed):
        async with database.sessions.begin() as session:
            await webhooks.defer_processing(session, name)


async def _start_due(session: AsyncSession, name: str) -> None:
    """Another process may have done it just now: whoever has the row looks again."""
    website = await session.get(Website, name, with_for_update={"skip_locked": True})
    if website is None or not website.is_followed:
        return
    now = utc_now()
    if website.schedule and website.next_sync_at and website.next_sync_at <= now:
        website.next_sync_at = find_next(website.schedule, now)
        await start_runs(session, name, "changes")
    if website.reconcile_schedule and website.next_reconcile_at and website.next_reconcile_at <= now:
        website.next_reconcile_at = find_next(website.reconcile_schedule, now)
        await start_runs(session, name, "sweep")


@queue.periodic(cron="41 2 * * *")
@queue.task(name="purge_payloads", pass_context=True, queueing_lock="purge payloads")
async def purge_payloads(context: JobContext, timestamp: int) -> None:
    async with _sync_context(context).database.sessions.begin() as session:
        await purge_payloads_before(session, utc_now() - KEEP_PAYLOADS)
