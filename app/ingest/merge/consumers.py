"""Consumers: found by the website's customer id, else by e-mail; an e-mail is a person on every website.

What each website said is kept on its link (`source_records.said`), and name and phone are chosen from all links:
accounts before guests, the account's own record before what an order tells, then the latest. So the order in
which records arrive does not matter.
"""

import re
from hashlib import blake2b

from app.ingest.merge.chunk import CONSUMERS, ORDERS, Chunk
from app.users.models import PLACEHOLDER_DOMAIN

_LAY_OUT = (
    """
    CREATE TEMP TABLE chunk_consumers (
        position bigint, kind text, key text, email text, name text, phone text, via text, updated_at timestamptz,
        addresses jsonb, content_hash bytea, said_email text, user_id bigint
    ) ON COMMIT DROP
    """,
    f"""
    INSERT INTO chunk_consumers
    SELECT c.position, r.kind, r.key, r.email, r.name, r.phone, r.via, r.updated_at, r.addresses,
        CASE WHEN c.kind IN {CONSUMERS} THEN c.content_hash END, NULL, NULL
    FROM chunk c, LATERAL jsonb_to_record(
        CASE WHEN c.kind IN {ORDERS} THEN c.record -> 'consumer' ELSE c.record END
    ) AS r(kind text, key text, email text, name text, phone text, via text, updated_at timestamptz, addresses jsonb)
    WHERE c.outcome IS NULL AND c.kind IN ('consumer', 'guest', 'anonymous', 'order', 'order_key')
    """,
    """
    UPDATE chunk_consumers c SET user_id = s.user_id, said_email = s.said ->> 'email'
    FROM source_records s
    WHERE s.source_website = :website AND s.kind = c.kind AND s.external_id = c.key AND s.user_id IS NOT NULL
    """,
    """
    CREATE TEMP TABLE fresh_consumers (
        kind text, key text, email text, name text, phone text, via text, claims boolean, held text, user_id bigint
    ) ON COMMIT DROP
    """,
    """
    INSERT INTO fresh_consumers
    SELECT DISTINCT ON (kind, key) kind, key, email, name, phone, via, kind = 'guest', NULL, NULL
    FROM chunk_consumers WHERE user_id IS NULL
    ORDER BY kind, key, via = 'account' DESC, updated_at DESC NULLS LAST, position DESC
    """,
)

# Of several new accounts with one e-mail, which stores forbid but exports have, one can be the person it names.
_CLAIM_EMAILS = """
    UPDATE fresh_consumers f SET claims = true
    FROM (
        SELECT DISTINCT ON (email) kind, key FROM fresh_consumers
        WHERE kind = 'consumer' AND email IS NOT NULL ORDER BY email, via = 'account' DESC, key
    ) first
    WHERE f.kind = first.kind AND f.key = first.key
"""

# An account is never taken for another account of the same website, whatever e-mail an order gives.
_FIND_BY_EMAIL = """
    UPDATE fresh_consumers f SET user_id = u.id
    FROM users u
    WHERE f.claims AND u.email = f.email AND (f.kind = 'guest' OR NOT EXISTS (
        SELECT 1 FROM source_records other
        WHERE other.user_id = u.id AND other.kind = 'consumer' AND other.source_website = :website
        AND other.external_id <> f.key
    ))
"""

_CHOOSE_HELD_EMAIL = """
    UPDATE fresh_consumers f SET held = CASE
        WHEN f.claims AND NOT EXISTS (SELECT 1 FROM users u WHERE u.email = f.email) THEN f.email
        WHEN length(f.kind || f.key) + length(:domain) < 148 THEN lower(
            f.kind || '-' || regexp_replace(f.key, '[^A-Za-z0-9._-]', '_', 'g')
            || CASE WHEN f.key ~ '[^a-z0-9._-]' THEN '-' || left(md5(f.key), 8) ELSE '' END
        ) || '@' || :domain
        ELSE f.kind || '-' || md5(f.key) || '@' || :domain
    END
    WHERE f.user_id IS NULL
"""

# Answers how many of the new rows have no record of their own.
_CREATE = """
    WITH made AS (
        INSERT INTO users (name, phone, email, type, source_website, created_at, updated_at)
        SELECT DISTINCT ON (held)
            left(coalesce(nullif(name, ''), nullif(split_part(email, '@', 1), ''), 'Guest'), 100), phone, held,
            CASE WHEN kind = 'consumer' OR via = 'account' THEN 'consumer' ELSE 'guest' END, :website, :now, :now
        FROM fresh_consumers WHERE held IS NOT NULL
        ORDER BY held, kind = 'consumer' DESC, via = 'account' DESC, key
        ON CONFLICT (email) DO NOTHING
        RETURNING email
    )
    SELECT count(*) FROM made
    WHERE NOT EXISTS (SELECT 1 FROM fresh_consumers f WHERE f.held = made.email AND f.via = 'account')
"""

_TAKE_OVER = (
    "UPDATE fresh_consumers f SET user_id = u.id FROM users u WHERE f.user_id IS NULL AND u.email = f.held",
    """
    UPDATE chunk_consumers c SET user_id = f.user_id
    FROM fresh_consumers f WHERE c.user_id IS NULL AND f.kind = c.kind AND f.key = c.key
    """,
)

_SET_OUTCOMES = f"""
    UPDATE chunk c SET outcome = CASE WHEN EXISTS (
        SELECT 1 FROM fresh_consumers f WHERE f.kind = c.kind AND f.key = c.key AND f.held IS NOT NULL
    ) THEN 'created' ELSE 'updated' END
    WHERE c.outcome IS NULL AND c.kind IN {CONSUMERS}
"""

# What one website's account or guest is called: by its own record before an order, then by the latest that says
# anything. `name_from` and `phone_from` hold that rank, so that the order of arrival does not matter.
_RANK = """
    CASE via WHEN 'account' THEN '1' ELSE '0' END
    || coalesce(to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '')
"""


def _latest(field: str) -> str:
    told = f"FILTER (WHERE {field} <> '')"
    return f"""
        '{field}', coalesce((array_agg({field} ORDER BY {_RANK} COLLATE "C" DESC, {field} DESC) {told})[1], ''),
        '{field}_from', coalesce((array_agg({_RANK} ORDER BY {_RANK} COLLATE "C" DESC) {told})[1], '')
    """


def _later(field: str) -> str:
    """The pair of the new row where it outranks the old one, else the old one's."""
    return f"""
        CASE WHEN excluded.said ->> '{field}' <> '' AND (
            excluded.said ->> '{field}_from' LIKE '1%'
            OR (excluded.said ->> '{field}_from' COLLATE "C", excluded.said ->> '{field}')
                > (s.said ->> '{field}_from' COLLATE "C", s.said ->> '{field}')
        )
        THEN jsonb_build_object('{field}', excluded.said -> '{field}', '{field}_from', excluded.said -> '{field}_from')
        ELSE jsonb_build_object('{field}', s.said -> '{field}', '{field}_from', s.said -> '{field}_from') END
    """


_IS_FROM_ACCOUNT = "excluded.said ->> 'via' = 'account'"
_IS_LATER_ORDER = """
    (s.said ->> 'via' = 'order'
        AND coalesce(excluded.source_updated_at, '-infinity') >= coalesce(s.source_updated_at, '-infinity'))
"""
_SAID = f"""
    CASE WHEN {_IS_FROM_ACCOUNT} OR {_IS_LATER_ORDER}
    THEN jsonb_build_object('email', excluded.said -> 'email', 'via', excluded.said -> 'via')
    ELSE jsonb_build_object('email', s.said -> 'email', 'via', s.said -> 'via') END
    || {_later("name")} || {_later("phone")}
"""

_LINK = f"""
    INSERT INTO source_records AS s (
        source_website, kind, external_id, user_id, content_hash, source_updated_at, said, created_at
    )
    SELECT :website, kind, key, min(user_id),
        (array_agg(content_hash ORDER BY position DESC) FILTER (WHERE content_hash IS NOT NULL))[1],
        (array_agg(updated_at ORDER BY via = 'account' DESC, updated_at DESC NULLS LAST))[1],
        jsonb_build_object(
            'email', (array_agg(email ORDER BY via = 'account' DESC, updated_at DESC NULLS LAST, position DESC))[1],
            'via', min(via), {_latest("name")}, {_latest("phone")}
        ), :now
    FROM chunk_consumers GROUP BY kind, key
    ON CONFLICT (source_website, kind, external_id) DO UPDATE SET
        user_id = excluded.user_id, deleted_at = NULL, said = {_SAID},
        content_hash = coalesce(excluded.content_hash, s.content_hash),
        source_updated_at = CASE WHEN {_IS_FROM_ACCOUNT} OR {_IS_LATER_ORDER}
            THEN coalesce(excluded.source_updated_at, s.source_updated_at) ELSE s.source_updated_at END
    WHERE s.user_id IS DISTINCT FROM excluded.user_id OR {_IS_FROM_ACCOUNT} OR s.said <> {_SAID}
"""

# The website's own e-mail has changed, or a placeholder can be replaced.
_FIND_EMAIL_CHANGES = """
    SELECT DISTINCT ON (c.user_id) c.user_id, c.email, c.via, holder.id AS holder_id,
        holder.type = 'guest' AND NOT EXISTS (
            SELECT 1 FROM source_records s WHERE s.user_id = holder.id AND s.kind = 'consumer'
        ) AS holder_is_guest
    FROM chunk_consumers c
    JOIN users u ON u.id = c.user_id
    LEFT JOIN users holder ON holder.email = c.email
    WHERE c.kind = 'consumer' AND c.email IS NOT NULL AND c.email <> u.email
    AND (u.email LIKE '%.invalid' OR (c.via = 'account' AND c.said_email IS DISTINCT FROM c.email))
    ORDER BY c.user_id, c.via = 'account' DESC, c.updated_at DESC NULLS LAST, c.position DESC
"""

_NORMALISED = (
    "lower(regexp_replace(concat_ws('|', {0}.country, {0}.city, {0}.district, {0}.address), '\\s+', ' ', 'g'))"
)

_ABSORB = (
    "UPDATE orders SET user_id = :user_id, updated_at = :now WHERE user_id = :holder_id",
    "UPDATE source_records SET user_id = :user_id WHERE user_id = :holder_id",
    f"""
    DELETE FROM user_addresses theirs USING user_addresses ours
    WHERE theirs.user_id = :holder_id AND ours.user_id = :user_id
    AND {_NORMALISED.format("theirs")} = {_NORMALISED.format("ours")}
    """,
    "UPDATE user_addresses SET user_id = :user_id, is_default = false WHERE user_id = :holder_id",
    "UPDATE chunk_consumers SET user_id = :user_id WHERE user_id = :holder_id",
    "DELETE FROM users WHERE id = :holder_id",
)
_SET_EMAIL = "UPDATE users SET email = :email, updated_at = :now WHERE id = :user_id"


# Known by id, or, in a list of customers without ids, by e-mail.
_IS_ACCOUNT = "(s.kind = 'consumer' OR s.said ->> 'via' = 'account')"


def _best(field: str) -> str:
    return f"""
        (array_agg(s.said ->> '{field}' ORDER BY {_IS_ACCOUNT} DESC, s.said ->> '{field}_from' COLLATE "C" DESC,
            s.source_website, s.external_id) FILTER (WHERE s.said ->> '{field}' <> ''))[1]
    """


# A consumer made here by hand counts as an account: what a guest checkout says does not rename them.
_CHOOSE_NAMES = f"""
    UPDATE users u SET
        name = coalesce(best.name, u.name),
        phone = coalesce(best.phone, u.phone),
        type = CASE WHEN best.has_account AND u.type = 'guest' THEN 'consumer' ELSE u.type END,
        updated_at = :now
    FROM (
        SELECT s.user_id, bool_or({_IS_ACCOUNT}) AS has_account,
            {_best("name")} AS name, {_best("phone")} AS phone
        FROM source_records s
        WHERE s.user_id IN (SELECT user_id FROM chunk_consumers)
        GROUP BY s.user_id
    ) best
    WHERE u.id = best.user_id AND (best.has_account OR u.type = 'guest')
    AND (
        (coalesce(best.name, u.name), coalesce(best.phone, u.phone)) IS DISTINCT FROM (u.name, u.phone)
        OR (best.has_account AND u.type = 'guest')
    )
"""

_ADD_ADDRESSES = f"""
    INSERT INTO user_addresses (user_id, country, city, district, address, created_at, updated_at)
    SELECT DISTINCT ON (c.user_id, {_NORMALISED.format("a")})
        c.user_id, a.country, a.city, a.district, a.address, :now, :now
    FROM chunk_consumers c, LATERAL jsonb_to_recordset(c.addresses)
        AS a(country text, city text, district text, address text)
    WHERE NOT EXISTS (
        SELECT 1 FROM user_addresses known
        WHERE known.user_id = c.user_id AND {_NORMALISED.format("known")} = {_NORMALISED.format("a")}
    )
    ORDER BY c.user_id, {_NORMALISED.format("a")}, c.position
"""

# The address that the website calls the default becomes ours where there is none yet.
_SET_DEFAULT_ADDRESS = f"""
    UPDATE user_addresses SET is_default = true
    WHERE id IN (
        SELECT DISTINCT ON (c.user_id) known.id
        FROM chunk_consumers c, LATERAL jsonb_to_recordset(c.addresses)
            AS a(country text, city text, district text, address text, is_default boolean),
            user_addresses known
        WHERE a.is_default AND known.user_id = c.user_id AND {_NORMALISED.format("known")} = {_NORMALISED.format("a")}
        AND NOT EXISTS (SELECT 1 FROM user_addresses d WHERE d.user_id = c.user_id AND d.is_default)
        ORDER BY c.user_id, known.id
    )
"""


async def merge_consumers(chunk: Chunk) -> None:
    """Consumer records, and the consumers inside order records. Leaves `chunk_consumers.user_id` filled."""
    await chunk.run_all(*_LAY_OUT, "ANALYZE chunk_consumers", _CLAIM_EMAILS, _FIND_BY_EMAIL)
    await chunk.run(_CHOOSE_HELD_EMAIL, domain=placeholder_domain(chunk.website))
    chunk.imply("consumers", (await chunk.run(_CREATE)).scalar_one())
    await chunk.run_all(*_TAKE_OVER, "ANALYZE chunk_consumers", _SET_OUTCOMES, _LINK)
    await _follow_email_changes(chunk)
    await chunk.run_all(_CHOOSE_NAMES, _ADD_ADDRESSES, _SET_DEFAULT_ADDRESS)


async def _follow_email_changes(chunk: Chunk) -> None:
    for change in (await chunk.run(_FIND_EMAIL_CHANGES)).all():
        if change.holder_id is not None:
            if not change.holder_is_guest or change.via == "order":
                chunk.warn("an e-mail address that another account holds was not taken over")
                continue
            for statement in _ABSORB:
                await chunk.run(statement, user_id=change.user_id, holder_id=change.holder_id)
        await chunk.run(_SET_EMAIL, email=change.email, user_id=change.user_id)


def placeholder_domain(website: str) -> str:
    """`<website slug>.invalid`; a digest keeps two websites apart whose slugs would be the same."""
    slug = re.sub(r"[^a-z0-9]+", "-", website).strip("-")[:60]
    if slug != website:
        slug = f"{slug}-{blake2b(website.encode(), digest_size=3).hexdigest()}"
    return slug + PLACEHOLDER_DOMAIN
