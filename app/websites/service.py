"""Source websites: a name is known from the first record that carries it, and may be registered as a store."""

from typing import Any

from sqlalchemy import Select, bindparam, delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.utils.clock import utc_now
from app.utils.errors import Conflict, NotFound, Unprocessable
from app.websites.models import Platform, SourceKind, SourceRecord, Website
from app.websites.schedules import find_next
from app.websites.schemas import CredentialsUpdate, WebsiteCreate, WebsiteUpdate, check_credentials, reveal
from app.websites.vault import Vault

SECRETS_KEPT = 2  # of webhooks: the one in use, and the one before it while the store is being changed


async def register_website(session: AsyncSession, vault: Vault, data: WebsiteCreate) -> Website:
    """A store to be followed from now on, under a name that may be known already. Raises Conflict where it is one."""
    await ensure_website(session, data.name)
    website = await get_website(session, data.name, for_update=True)
    if website.platform is not None:
        raise Conflict(
            f"{data.name} is registered already: change it with PUT /websites/{data.name}, or choose another name."
        )
    website.platform, website.base_url, website.api_version = data.platform, data.base_url, data.api_version
    website.credentials = vault.seal(reveal(data.credentials))
    if data.webhook_secret is not None:
        website.webhook_secrets = vault.seal([data.webhook_secret.get_secret_value()])
    website.status_map = dict(data.status_map)
    website.is_active = True
    _set_schedules(website, {"schedule": data.schedule, "reconcile_schedule": data.reconcile_schedule})
    if website.schedule:
        website.next_sync_at = utc_now()  # the first reading waits for nothing
    await session.flush()
    return website


async def list_websites(session: AsyncSession) -> list[Website]:
    return list(await session.scalars(select(Website).order_by(Website.name)))


async def get_website(session: AsyncSession, name: str, *, for_update: bool = False) -> Website:
    website = await session.get(Website, name, with_for_update=for_update or None, populate_existing=True)
    if website is None:
        raise NotFound(f"There is no website {name}.")
    return website


async def get_store(session: AsyncSession, name: str, *, for_update: bool = False) -> Website:
    """Raises NotFound for an unknown website, Conflict for one that cannot be asked."""
    website = await get_website(session, name, for_update=for_update)
    if website.platform is None:
        raise Conflict(f"{name} is no registered store: its records came from files or were entered here.")
    return website


async def update_website(session: AsyncSession, name: str, data: WebsiteUpdate) -> Website:
    """Raises Conflict where a store's setting is changed of a website that is none."""
    changes = data.changes()
    settings = changes.keys() - {"status_map", "currency"}
    website = await (get_store if settings else get_website)(session, name, for_update=True)
    _set_schedules(website, {key: changes.pop(key) for key in ("schedule", "reconcile_schedule") if key in changes})
    for key, value in changes.items():
        setattr(website, key, value)
    if "base_url" in changes:
        website.traits = {}  # what is there may be something else
    if changes.get("is_active"):
        _set_schedules(website, {"schedule": website.schedule, "reconcile_schedule": website.reconcile_schedule})
    await session.flush()
    return website


def _set_schedules(website: Website, schedules: dict[str, str | None]) -> None:
    now = utc_now()
    for name, line in schedules.items():
        setattr(website, name, line)
        setattr(website, f"next_{_NEXT[name]}_at", find_next(line, now) if line else None)


_NEXT = {"schedule": "sync", "reconcile_schedule": "reconcile"}


async def rotate_credentials(session: AsyncSession, vault: Vault, name: str, data: CredentialsUpdate) -> Website:
    """The webhooks' secret before the new one is accepted further, until it is replaced again."""
    website = await get_store(session, name, for_update=True)
    if data.credentials is not None:
        try:
            check_credentials(Platform(str(website.platform)), data.credentials)
        except ValueError as error:
            raise Unprocessable(str(error), field="credentials") from None
        website.credentials = vault.seal(reveal(data.credentials))
        website.traits = {}  # another key may reach the store in another way
    if data.webhook_secret is not None:
        kept = vault.unseal(website.webhook_secrets) if website.webhook_secrets else []
        new = data.webhook_secret.get_secret_value()
        secrets = [new, *(each for each in kept if each != new)]
        website.webhook_secrets = vault.seal(secrets[:SECRETS_KEPT])
    await session.flush()
    return website


async def deactivate_website(session: AsyncSession, name: str) -> None:
    """Follow the store no longer. Its records stay; doing it again changes nothing."""
    website = await get_store(session, name, for_update=True)
    website.is_active = False
    await session.flush()


async def reseal_all(session: AsyncSession, vault: Vault) -> int:
    """Seal everything under the newest key, so that older ones may be forgotten; of how many stores."""
    stores = list(await session.scalars(select(Website).where(Website.platform.is_not(None)).with_for_update()))
    for website in stores:
        if website.credentials:
            website.credentials = vault.reseal(website.credentials)
        if website.webhook_secrets:
            website.webhook_secrets = vault.reseal(website.webhook_secrets)
    await session.flush()
    return len(stores)


async def ensure_website(session: AsyncSession, name: str) -> None:
    await session.execute(insert(Website).values(name=name).on_conflict_do_nothing())


async def is_followed(session: AsyncSession, name: str) -> bool:
    """Whether the website is a registered store that can be asked."""
    website = await session.get(Website, name)
    return website is not None and website.is_followed


async def get_status_map(session: AsyncSession, name: str) -> dict[str, str]:
    """What the website's words for an order's status mean here; empty where nobody said."""
    return await session.scalar(select(Website.status_map).where(Website.name == name)) or {}


async def get_mapping(session: AsyncSession, name: str) -> dict[str, Any] | None:
    """How the website's own files are read, where it was kept with an import."""
    return await session.scalar(select(Website.mapping).where(Website.name == name))


async def keep_mapping(session: AsyncSession, name: str, mapping: dict[str, Any] | None) -> None:
    await session.execute(update(Website).where(Website.name == name).values(mapping=mapping))


async def find_order_source(session: AsyncSession, order_id: int) -> str | None:
    """The website that an order is synced from, or None for one of our own."""
    return await session.scalar(select(SourceRecord.source_website).where(SourceRecord.order_id == order_id).limit(1))


def select_linked_users() -> Select[int | None]:
    """The ids of the consumers that are known on the website that is bound as `source_website`."""
    return select(SourceRecord.user_id).where(
        SourceRecord.source_website == bindparam("source_website"), SourceRecord.user_id.is_not(None)
    )


async def link_own_user(session: AsyncSession, user_id: int, name: str) -> None:
    """A consumer made here is known on the website that was named; later, where it is named anew, on that one."""
    link = insert(SourceRecord).values(
        source_website=name, kind=SourceKind.OWN, external_id=str(user_id), user_id=user_id
    )
    moved = delete(SourceRecord).where(SourceRecord.kind == SourceKind.OWN, SourceRecord.user_id == user_id)
    await session.execute(moved)
    await session.execute(link)
