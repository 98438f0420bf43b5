"""Consumers: found by the website's customer id, else by e-mail; an e-mail is a person on every website.

What each website said is kept on its link (`source_records.said`), and name and phone are chosen from all links:
accounts before guests, the account's own record before what an order tells, then the latest. So the order in
which records arrive does not matter.
"""

from app.ingest.merge.chunk import CONSUMERS, ORDERS, Chunk
from app.ingest.merge.emails import ADDRESS_HASH, NORMALISED_ADDRESS, placeholder, placeholder_domain, settle_emails

_LAY_OUT = (
    """
    CREATE TEMP TABLE chunk_consumers (
        position bigint, kind text, key text, email text, name text, phone text, via text, updated_at timestamptz,
        addresses jsonb, told text[], content_hash bytea, said_email text, user_id bigint
    ) ON COMMIT DROP
    """,
    f"""
    INSERT INTO chunk_consumers
    SELECT c.position, r.kind, r.key, r.email, r.name, r.phone, r.via, r.updated_at, r.addresses,
        (
            SELECT array_agg({ADDRESS_HASH.format("a")})
            FROM jsonb_to_recordset(r.addresses) AS a(country text, city text, district text, address text)
        ),
        CASE WHEN c.kind IN {CONSUMERS} THEN c.content_hash END, NULL, NULL
    FROM chunk c, LATERAL jsonb_to_record(
        CASE WHEN c.kind IN {ORDERS} THEN c.record -> 'consumer' ELSE c.record END
    ) AS r(kind text, key text, email text, name text, phone text, via text, updated_at timestamptz, addresses jsonb)
    WHERE c.outcome IS NULL AND c.kind IN ('consumer', 'guest', 'anonymous', 'order', 'order_key')
    """,
    # A store that deletes an account leaves its orders to nobody, under the same e-mail and without a word: they stay
    # that person's.
    """
    UPDATE chunk_consumers c SET kind = 'consumer', key = substr(s.said ->> 'consumer', length('consumer:') + 1)
    FROM chunk o JOIN source_records s ON s.source_website = :website AND s.kind = o.kind AND s.external_id = o.key
    WHERE o.position = c.position AND o.kind = 'order' AND c.kind <> 'consumer'
    AND s.said ->> 'consumer' LIKE 'consumer:%' AND coalesce(s.said ->> 'email', c.email, '') = coalesce(c.email, '')
    """,
    """
    UPDATE chunk_consumers c SET user_id = s.user_id, said_email = s.claimed_email
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
    ORDER BY kind, key, email IS NULL, via = 'account' DESC, updated_at DESC NULLS LAST, email DESC
    """,
)

# Of the columns that are joined by: the wide ones would take most of its time.
_ANALYZE = "ANALYZE chunk_consumers (position, kind, key, email, user_id)"

# Of several new accounts with one e-mail, which stores forbid but exports have, one can be the person it names.
_CLAIM_EMAILS = """
    UPDATE fresh_consumers f SET claims = true
    FROM (
        SELECT DISTINCT ON (email) kind, key FROM fresh_consumers
        WHERE kind = 'consumer' AND email IS NOT NULL ORDER BY email, via = 'account' DESC, length(key), key
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

_CHOOSE_HELD_EMAIL = f"""
    UPDATE fresh_consumers f SET held = CASE
        WHEN f.claims AND NOT EXISTS (SELECT 1 FROM users u WHERE u.email = f.email) THEN f.email
        ELSE {placeholder("f", "f.key")}
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

# One record makes the row; the others of the same person, here or from before, join it.
_SET_OUTCOMES = f"""
    UPDATE chunk c SET outcome = CASE WHEN c.is_touch THEN 'unchanged' ELSE coalesce((
        SELECT CASE WHEN f.makes THEN 'created' ELSE 'merged' END
        FROM (
            SELECT kind, key, held IS NOT NULL AND row_number() OVER (
                PARTITION BY held ORDER BY kind = 'consumer' DESC, via = 'account' DESC, key
            ) = 1 AS makes
            FROM fresh_consumers
        ) f WHERE f.kind = c.kind AND f.key = c.key
    ), 'updated') END
    WHERE c.outcome IS NULL AND c.kind IN {CONSUMERS}
"""

# What one website's account or guest is called: by its own record before an order, then by the latest that says
# anything. `name_from` and `phone_from` hold that rank, so that the order of arrival does not matter.
_RANK = """
    CASE via WHEN 'account' THEN '1' ELSE '0' END
    || coalesce(to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '')
"""


def _first(field: str) -> str:
    """The rank and the value of the one that ranks highest, as an array: to sort each group would take far longer."""
    return f"""(max(ARRAY[{_RANK}, {field}] COLLATE "C") FILTER (WHERE {field} <> ''))"""


def _latest(field: str) -> str:
    return f"""
        '{field}', coalesce({_first(field)}[2], ''), '{field}_from', coalesce({_first(field)}[1], '')
    """


def _later(field: str) -> str:
    """The pair of the new row where it outranks the old one, else the old one's."""
    return f"""
        CASE WHEN excluded.said ->> '{field}' <> '' AND (
            excluded.said ->> '{field}_from' LIKE '1%'
            OR (excluded.said ->> '{field}_from' COLLATE "C", excluded.said ->> '{field}' COLLATE "C")
                > (s.said ->> '{field}_from' COLLATE "C", s.said ->> '{field}' COLLATE "C")
        )
        THEN jsonb_build_object('{field}', excluded.said -> '{field}', '{field}_from', excluded.said -> '{field}_from')
        ELSE jsonb_build_object('{field}', s.said -> '{field}', '{field}_from', s.said -> '{field}_from') END
    """


_IS_FROM_ACCOUNT = "excluded.said ->> 'via' = 'account'"
_SAID = f"""
    jsonb_build_object(
        'via', CASE WHEN {_IS_FROM_ACCOUNT} THEN excluded.said -> 'via' ELSE s.said -> 'via' END,
        'addresses', (s.said -> 'addresses') || (excluded.said -> 'addresses')
    )
    || {_later("email")} || {_later("name")} || {_later("phone")}
"""

# `addresses` are the hashes of all that this link has told. Of a consumer's own records no more than one is merged in a
# chunk, since those that stand again later are left out.
_LINK = f"""
    INSERT INTO source_records AS s (
        source_website, kind, external_id, user_id, claimed_email, content_hash, source_updated_at, said, created_at
    )
    SELECT :website, kind, key, min(user_id), CASE WHEN kind = 'consumer' THEN {_first("email")}[2] END,
        (array_agg(content_hash) FILTER (WHERE content_hash IS NOT NULL))[1],
        max(updated_at) FILTER (WHERE content_hash IS NOT NULL),
        jsonb_build_object(
            'via', min(via), 'addresses', coalesce(jsonb_object_agg(hash, 1) FILTER (WHERE hash IS NOT NULL), '{{}}')
        ) || jsonb_build_object({_latest("email")}, {_latest("name")}, {_latest("phone")}), :now
    FROM chunk_consumers LEFT JOIN LATERAL unnest(told) AS hash ON true
    GROUP BY kind, key
    ON CONFLICT (source_website, kind, external_id) DO UPDATE SET
        user_id = excluded.user_id, said = {_SAID},
        deleted_at = CASE WHEN excluded.content_hash IS NULL THEN s.deleted_at END,
        claimed_email = CASE WHEN s.kind = 'consumer' THEN nullif(({_SAID}) ->> 'email', '') END,
        content_hash = coalesce(excluded.content_hash, s.content_hash),
        source_updated_at = CASE WHEN excluded.content_hash IS NOT NULL THEN excluded.source_updated_at
            ELSE s.source_updated_at END
    WHERE s.user_id IS DISTINCT FROM excluded.user_id OR {_IS_FROM_ACCOUNT} OR s.said <> {_SAID}
"""

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
        WHERE s.user_id IN (SELECT user_id FROM chunk_consumers UNION SELECT user_id FROM moved_consumers)
        GROUP BY s.user_id
    ) best
    WHERE u.id = best.user_id AND (best.has_account OR u.type = 'guest')
    AND (
        (coalesce(best.name, u.name), coalesce(best.phone, u.phone)) IS DISTINCT FROM (u.name, u.phone)
        OR (best.has_account AND u.type = 'guest')
    )
"""


# Looked up one by one: there is no telling the planner how few addresses a consumer has, and it would normalise all
# that the table holds.
def _known(user: str, normalised: str) -> str:
    return f"""
        LEFT JOIN LATERAL (
            SELECT id FROM user_addresses known
            WHERE known.user_id = {user} AND {NORMALISED_ADDRESS.format("known")} = {normalised} ORDER BY id LIMIT 1
        ) known ON true
    """


_ADD_ADDRESSES = f"""
    INSERT INTO user_addresses (user_id, country, city, district, address, created_at, updated_at)
    SELECT DISTINCT ON (told.user_id, told.normalised)
        told.user_id, told.country, told.city, told.district, told.address, :now, :now
    FROM (
        SELECT c.user_id, c.position, a.*, {NORMALISED_ADDRESS.format("a")} AS normalised
        FROM chunk_consumers c, LATERAL jsonb_to_recordset(c.addresses)
            AS a(country text, city text, district text, address text)
    ) told {_known("told.user_id", "told.normalised")}
    WHERE known.id IS NULL
    ORDER BY told.user_id, told.normalised, told.position
"""

# The address that the website calls the default becomes ours where there is none yet.
_SET_DEFAULT_ADDRESS = f"""
    UPDATE user_addresses SET is_default = true
    WHERE id IN (
        SELECT DISTINCT ON (told.user_id) known.id
        FROM (
            SELECT c.user_id, {NORMALISED_ADDRESS.format("a")} AS normalised
            FROM chunk_consumers c, LATERAL jsonb_to_recordset(c.addresses)
                AS a(country text, city text, district text, address text, is_default boolean)
            WHERE a.is_default
        ) told {_known("told.user_id", "told.normalised")}
        WHERE known.id IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM user_addresses d WHERE d.user_id = told.user_id AND d.is_default)
        ORDER BY told.user_id, known.id
    )
"""


async def merge_consumers(chunk: Chunk) -> None:
    """Consumer records, and the consumers inside order records. Leaves `chunk_consumers.user_id` filled."""
    await chunk.run_all(*_LAY_OUT, _ANALYZE, _CLAIM_EMAILS, _FIND_BY_EMAIL)
    await chunk.run(_CHOOSE_HELD_EMAIL, domain=placeholder_domain(chunk.website))
    chunk.imply("consumers", (await chunk.run(_CREATE)).scalar_one())
    await chunk.run_all(*_TAKE_OVER, _ANALYZE, _SET_OUTCOMES, _LINK)
    await settle_emails(chunk)
    await chunk.run_all(_CHOOSE_NAMES, _ADD_ADDRESSES, _SET_DEFAULT_ADDRESS)
