"""Records of people who were erased lose what tells who they are before they are kept anywhere.

An erased person is one anonymous consumer from then on: whatever account or e-mail of theirs a record has, it leads
to that row and brings nothing to it but orders.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence

from sqlalchemy import exists, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.ingest.models import Import
from app.ingest.records import ConsumerRecord, OrderRecord, Parsed, Record, ReturnRecord
from app.privacy.models import Erasure, ErasureKey
from app.users.models import PLACEHOLDER_DOMAIN
from app.websites.models import SourceKind
from app.websites.vault import Vault


def anonymous_email(user_id: int) -> str:
    """What the e-mail column of an erased person holds, and what their records say instead of an e-mail."""
    return f"erased-{user_id}@erased{PLACEHOLDER_DOMAIN}"


def of_email(email: str) -> str:
    return f"e-mail {email}"


def of_account(website: str, external_id: str) -> str:
    return f"account {external_id} of {website}"


def hash_identity(key: bytes, identity: str) -> bytes:
    """HMAC-SHA256 (RFC 2104) of an identity as `of_email` or `of_account` writes it."""
    return hmac.digest(key, identity.encode(), hashlib.sha256)


async def get_erasure_key(session: AsyncSession) -> bytes:
    """Made at the first erasure, and kept sealed. Needs the process's vault in `session.info`."""
    vault: Vault = session.info["vault"]
    sealed = await session.scalar(select(ErasureKey.sealed))
    if sealed is None:
        made = vault.seal(base64.b64encode(secrets.token_bytes(32)).decode())
        await session.execute(insert(ErasureKey).values(id=1, sealed=made).on_conflict_do_nothing())
        sealed = await session.scalar(select(ErasureKey.sealed))
        assert sealed is not None
    return base64.b64decode(vault.unseal(sealed))


async def reseal_erasure_key(session: AsyncSession, vault: Vault) -> None:
    """Under the vault's first key, after the SECRET_KEY was changed."""
    kept = await session.get(ErasureKey, 1, with_for_update=True)
    if kept is not None:
        kept.sealed = vault.reseal(kept.sealed)


async def mask_erased(session: AsyncSession, import_id: int, items: Sequence[Parsed]) -> None:
    """Anonymise in place the records of erased people. Costs one look where nobody ever was erased.

    Nor is a hash kept of the payload that tells of them.
    """
    if not items or not await session.scalar(select(exists().select_from(Erasure))):
        return
    key = await get_erasure_key(session)
    website = (await session.scalars(select(Import.source_website).where(Import.id == import_id))).one()
    told = [(item, person) for item in items if (person := _find_person(item.record))]
    hashes = [[hash_identity(key, identity) for identity in _identify(website, person)] for _, person in told]
    wanted = {each for found in hashes for each in found}
    known = {
        row.hash: row.user_id
        for row in await session.execute(select(Erasure.hash, Erasure.user_id).where(Erasure.hash.in_(wanted)))
    }
    for (item, person), found in zip(told, hashes, strict=True):
        user_id = next((known[each] for each in found if each in known), None)
        if user_id is not None:
            _mask(person, anonymous_email(user_id))
            item.payload_hash = None


def _find_person(record: Record) -> ConsumerRecord | ReturnRecord | None:
    if isinstance(record, ConsumerRecord | ReturnRecord):
        return record
    return record.consumer if isinstance(record, OrderRecord) else None


def _identify(website: str, person: ConsumerRecord | ReturnRecord) -> list[str]:
    kind, key = (
        (person.kind, person.key) if isinstance(person, ConsumerRecord) else (person.consumer_kind, person.consumer_key)
    )
    accounts = [of_account(website, key)] if kind == SourceKind.CONSUMER else []
    return accounts + ([of_email(person.email)] if person.email else [])


def _mask(person: ConsumerRecord | ReturnRecord, email: str) -> None:
    person.email = email
    if isinstance(person, ReturnRecord):
        person.consumer_key = email if person.consumer_kind == SourceKind.GUEST else person.consumer_key
        return
    if person.kind == SourceKind.GUEST:
        person.key = email
    person.name, person.phone, person.addresses = "", "", []
