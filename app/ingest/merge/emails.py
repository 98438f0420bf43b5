"""Whose an e-mail is, once records of all kinds and ages have spoken.

An e-mail belongs to the account that says so: of several on one website to the one with a record of its own, then to
the one that said so last, then to the lowest id; to a guest where no account does. Whoever loses one holds a
placeholder until it is free. So the answer depends on what the records say, and not on which came first.

Nearly every chunk has nothing to settle; what there is, such as two accounts that swapped their addresses, is settled
one person at a time.
"""

import re
from hashlib import blake2b
from typing import Any

from app.ingest.merge.chunk import ORDERS, Chunk
from app.users.models import PLACEHOLDER_DOMAIN

NORMALISED_ADDRESS = (
    "lower(regexp_replace(concat_ws('|', {0}.country, {0}.city, {0}.district, {0}.address), '\\s+', ' ', 'g'))"
)
ADDRESS_HASH = f"md5({NORMALISED_ADDRESS})"


def placeholder(link: str, key: str) -> str:
    """The SQL for what the e-mail column holds of one who has none, from the kind and key of their link."""
    return f"""
        CASE WHEN length({link}.kind || {key}) + length(:domain) < 148 THEN lower(
            {link}.kind || '-' || regexp_replace({key}, '[^A-Za-z0-9._-]', '_', 'g')
            || CASE WHEN {key} ~ '[^a-z0-9._-]' THEN '-' || left(md5({key}), 8) ELSE '' END
        ) || '@' || :domain
        ELSE {link}.kind || '-' || md5({key}) || '@' || :domain END
    """


def placeholder_domain(website: str) -> str:
    """`<website slug>.invalid`; a digest keeps two websites apart whose slugs would be the same."""
    slug = re.sub(r"[^a-z0-9]+", "-", website).strip("-")[:60]
    if slug != website:
        slug = f"{slug}-{blake2b(website.encode(), digest_size=3).hexdigest()}"
    return slug + PLACEHOLDER_DOMAIN


# Accounts of this website that the chunk's e-mails concern: what they said, what their row holds, and whether the
# e-mail is theirs. What an admin wrote into the row stays until the website's own value changes.
_FIND_UNSETTLED = f"""
    WITH spoken AS (
        SELECT email FROM chunk_consumers WHERE kind = 'consumer'
        UNION SELECT said_email FROM chunk_consumers WHERE kind = 'consumer'
    ), changed AS (
        SELECT c.key FROM chunk_consumers c JOIN source_records s
            ON s.source_website = :website AND s.kind = 'consumer' AND s.external_id = c.key
        WHERE c.kind = 'consumer' AND c.said_email IS DISTINCT FROM s.claimed_email
    ), claims AS (
        SELECT s.external_id AS key, s.user_id, s.claimed_email AS email, u.email AS held,
            {placeholder("s", "s.external_id")} AS placeholder,
            row_number() OVER (
                PARTITION BY s.claimed_email
                ORDER BY s.said ->> 'email_from' COLLATE "C" DESC, length(s.external_id), s.external_id
            ) = 1 AS is_first
        FROM spoken JOIN source_records s
            ON s.source_website = :website AND s.claimed_email = spoken.email
        JOIN users u ON u.id = s.user_id
    )
    SELECT * FROM claims
    WHERE (is_first AND held <> email AND (held LIKE '%.invalid' OR key IN (SELECT key FROM changed)))
    OR (NOT is_first AND held NOT LIKE '%.invalid' AND (held = email OR key IN (SELECT key FROM changed))
    AND NOT EXISTS (
        SELECT 1 FROM source_records elsewhere
        WHERE elsewhere.user_id = claims.user_id AND elsewhere.kind = 'consumer'
        AND elsewhere.source_website <> :website AND elsewhere.claimed_email = claims.held
    ))
    ORDER BY email, is_first, length(key), key
"""

# Who holds an e-mail that an account of this website is to have, and whether they would keep it.
_FIND_HOLDER = """
    SELECT u.id, u.type = 'guest' AND NOT EXISTS (
            SELECT 1 FROM source_records s WHERE s.user_id = u.id AND s.kind = 'consumer'
        ) AS is_guest,
        EXISTS (
            SELECT 1 FROM source_records s WHERE s.user_id = u.id AND s.kind = 'consumer'
            AND s.source_website = :website
        ) AND NOT EXISTS (
            SELECT 1 FROM source_records s WHERE s.user_id = u.id AND s.kind = 'consumer'
            AND s.claimed_email = :email
        ) AS has_left
    FROM users u WHERE u.email = :email AND u.id <> :user_id
"""

_RELEASE = "UPDATE users SET email = :placeholder, updated_at = :now WHERE id = :user_id"
_GRANT = "UPDATE users SET email = :email, updated_at = :now WHERE id = :user_id"
_NOTE_MOVED = "INSERT INTO moved_consumers VALUES (:user_id)"

# Where no link tells a name, it is the e-mail's local part; where none tells a phone, there is none.
_RESET_NAME = """
    UPDATE users u SET name = coalesce(told.name, nullif(left(split_part(:email, '@', 1), 100), ''), 'Guest'),
        phone = coalesce(told.phone, '')
    FROM (
        SELECT max(s.said ->> 'name') FILTER (WHERE s.said ->> 'name' <> '') AS name,
            max(s.said ->> 'phone') FILTER (WHERE s.said ->> 'phone' <> '') AS phone
        FROM source_records s WHERE s.user_id = :user_id
    ) told
    WHERE u.id = :user_id
"""

_ABSORB = (
    "UPDATE orders SET user_id = :user_id, updated_at = :now WHERE user_id = :holder_id",
    "UPDATE source_records SET user_id = :user_id WHERE user_id = :holder_id",
    f"""
    DELETE FROM user_addresses theirs USING user_addresses ours
    WHERE theirs.user_id = :holder_id AND ours.user_id = :user_id
    AND {NORMALISED_ADDRESS.format("theirs")} = {NORMALISED_ADDRESS.format("ours")}
    """,
    "UPDATE user_addresses SET user_id = :user_id, is_default = false WHERE user_id = :holder_id",
    "UPDATE chunk_consumers SET user_id = :user_id WHERE user_id = :holder_id",
    "DELETE FROM moved_consumers WHERE user_id = :holder_id",
    "DELETE FROM users WHERE id = :holder_id",
)

# Guests stay with an e-mail, not with the account that held it for a while.
_HAS_GUEST = """
    SELECT 1 FROM source_records WHERE user_id = :user_id AND kind = 'guest' AND external_id = :email LIMIT 1
"""
_FIND_BY_EMAIL = "SELECT id FROM users WHERE email = :email"
_CREATE_GUEST = """
    INSERT INTO users (name, phone, email, type, source_website, created_at, updated_at)
    SELECT 'Guest', '', :email, CASE WHEN bool_or(said ->> 'via' = 'account') THEN 'consumer' ELSE 'guest' END,
        (array_agg(source_website ORDER BY id))[1], :now, :now
    FROM source_records WHERE user_id = :from_id AND kind = 'guest' AND external_id = :email
    RETURNING id
"""
_ADDRESSES_TOLD = """
    SELECT jsonb_object_keys(s.said -> 'addresses') AS hash FROM source_records s
    WHERE s.user_id = :{user} AND {condition}
"""
_MOVE_GUEST = (
    f"""
    UPDATE orders SET user_id = :to_id, updated_at = :now
    FROM source_records o
    WHERE orders.user_id = :from_id AND o.order_id = orders.id AND o.kind IN {ORDERS}
    AND o.said ->> 'consumer' = 'guest:' || :email
    """,
    f"""
    INSERT INTO user_addresses (user_id, country, city, district, address, created_at, updated_at)
    SELECT :to_id, a.country, a.city, a.district, a.address, a.created_at, :now
    FROM user_addresses a
    WHERE a.user_id = :from_id AND {ADDRESS_HASH.format("a")} IN (
        {_ADDRESSES_TOLD.format(user="from_id", condition="s.kind = 'guest' AND s.external_id = :email")}
    ) AND NOT EXISTS (
        SELECT 1 FROM user_addresses known
        WHERE known.user_id = :to_id AND {NORMALISED_ADDRESS.format("known")} = {NORMALISED_ADDRESS.format("a")}
    )
    ORDER BY a.id
    """,
    f"""
    DELETE FROM user_addresses a
    WHERE a.user_id = :from_id AND {ADDRESS_HASH.format("a")} IN (
        {_ADDRESSES_TOLD.format(user="from_id", condition="s.kind = 'guest' AND s.external_id = :email")}
    ) AND {ADDRESS_HASH.format("a")} NOT IN (
        {_ADDRESSES_TOLD.format(user="from_id", condition="NOT (s.kind = 'guest' AND s.external_id = :email)")}
    )
    """,
    """
    UPDATE source_records SET user_id = :to_id
    WHERE user_id = :from_id AND kind = 'guest' AND external_id = :email
    """,
    "UPDATE chunk_consumers SET user_id = :to_id WHERE kind = 'guest' AND key = :email",
)


async def settle_emails(chunk: Chunk) -> None:
    """Needs `chunk_consumers` linked. Leaves the consumers whose names have to be chosen anew in `moved_consumers`."""
    await chunk.run("CREATE TEMP TABLE moved_consumers (user_id bigint) ON COMMIT DROP")
    claims = (await chunk.run(_FIND_UNSETTLED, domain=placeholder_domain(chunk.website))).all()
    if not claims:
        return
    losers = {claim.user_id for claim in claims if not claim.is_first}
    chunk.warn("two accounts say one e-mail address: the one that said so last has it", len(losers))
    moving = [claim for claim in claims if claim.user_id in losers or await _can_have(chunk, claim, losers)]
    for claim in moving:
        await chunk.run(_RELEASE, placeholder=claim.placeholder, user_id=claim.user_id)
    for claim in moving:
        await chunk.run(_NOTE_MOVED, user_id=claim.user_id)
        if claim.is_first:
            await _grant(chunk, claim)
        await chunk.run(_RESET_NAME, email=claim.email, user_id=claim.user_id)
    for claim in moving:
        await _let_guests_go(chunk, claim.user_id, claim.held)


async def _can_have(chunk: Chunk, claim: Any, losers: set[int]) -> bool:
    holder = (await chunk.run(_FIND_HOLDER, email=claim.email, user_id=claim.user_id)).first()
    if holder is None or holder.is_guest or holder.has_left or holder.id in losers:
        return True
    chunk.warn("an e-mail address that another account holds was not taken over")
    return False


async def _grant(chunk: Chunk, claim: Any) -> None:
    holder = (await chunk.run(_FIND_HOLDER, email=claim.email, user_id=claim.user_id)).first()
    if holder is not None:
        if not holder.is_guest:
            return  # one who was to leave it could not
        for statement in _ABSORB:
            await chunk.run(statement, user_id=claim.user_id, holder_id=holder.id)
    await chunk.run(_GRANT, email=claim.email, user_id=claim.user_id)


async def _let_guests_go(chunk: Chunk, user_id: int, email: str) -> None:
    if (await chunk.run(_HAS_GUEST, user_id=user_id, email=email)).first() is None:
        return
    holder = (await chunk.run(_FIND_BY_EMAIL, email=email)).scalar_one_or_none()
    if holder == user_id:
        return
    target = holder or (await chunk.run(_CREATE_GUEST, email=email, from_id=user_id)).scalar_one()
    for statement in _MOVE_GUEST:
        await chunk.run(statement, from_id=user_id, to_id=target, email=email)
    for moved in (user_id, target):
        await chunk.run(_NOTE_MOVED, user_id=moved)
    await chunk.run(_RESET_NAME, email=email, user_id=target)
    own = (await chunk.run(_OWN_EMAIL, user_id=user_id)).scalar_one_or_none()
    await chunk.run(_RESET_NAME, email=own or "", user_id=user_id)


_OWN_EMAIL = "SELECT min(claimed_email) FROM source_records WHERE user_id = :user_id AND kind = 'consumer'"
