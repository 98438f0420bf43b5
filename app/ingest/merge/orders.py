"""Orders with their lines and refunds. The website's id is an order's identity; without one its number is.

A total is kept as the website says it, and `reconciles` tells whether it adds up. Lines are replaced with their
order, but only when they have changed, so that their ids last.
"""

from app.ingest.merge.chunk import ORDERS, OVERRIDDEN_BY, Chunk

_LAY_OUT = (
    """
    CREATE TEMP TABLE chunk_orders (
        position bigint, kind text, key text, order_number text, status text, source_status text,
        placed_at timestamptz, currency text, total_amount numeric, discount_total numeric, shipping_total numeric,
        tax_total numeric, fee_total numeric, refunded_total numeric, tax_included boolean, is_test boolean,
        updated_at timestamptz, content_hash bytea, payload_hash bytea, lines_hash text, order_id bigint,
        user_id bigint, lines_total numeric, priced boolean, said_status text, said_lines text, consumer text,
        email text, refund_keys jsonb, is_known boolean
    ) ON COMMIT DROP
    """,
    f"""
    INSERT INTO chunk_orders
    SELECT c.position, c.kind, c.key, r.order_number, r.status, r.source_status, r.placed_at, r.currency,
        r.total_amount, r.discount_total, r.shipping_total, r.tax_total, r.fee_total, r.refunded_total,
        r.tax_included, r.is_test, r.updated_at, c.content_hash, c.payload_hash, md5((c.record -> 'lines')::text),
        s.order_id, k.user_id, NULL, NULL, s.said ->> 'status', s.said ->> 'lines', k.kind || ':' || k.key,
        CASE WHEN k.kind = 'consumer' THEN k.email END,
        coalesce(
            (SELECT jsonb_agg(refund -> 'key') FROM jsonb_array_elements(c.record -> 'refunds') AS refund),
            CASE WHEN :is_trusted THEN '[]'::jsonb END
        ),
        s.order_id IS NOT NULL
    FROM chunk c CROSS JOIN LATERAL jsonb_to_record(c.record) AS r(
        order_number text, status text, source_status text, placed_at timestamptz, currency text,
        total_amount numeric, discount_total numeric, shipping_total numeric, tax_total numeric, fee_total numeric,
        refunded_total numeric, tax_included boolean, is_test boolean, updated_at timestamptz
    )
    JOIN chunk_consumers k USING (position)
    LEFT JOIN source_records s ON s.source_website = :website AND s.kind = c.kind AND s.external_id = c.key
    WHERE c.outcome IS NULL AND c.kind IN {ORDERS}
    """,
    "ANALYZE chunk_orders (position, kind, key, order_number, order_id)",
)

# By number: an order known from a file without ids, or entered here by hand, that no other id owns.
_FIND_BY_NUMBER = """
    UPDATE chunk_orders n SET order_id = o.id, said_status = (
        SELECT s.said ->> 'status' FROM source_records s
        WHERE s.order_id = o.id AND s.said ->> 'status' IS NOT NULL ORDER BY s.id DESC LIMIT 1
    )
    FROM orders o
    WHERE n.order_id IS NULL AND o.source_website = :website AND o.order_number = n.order_number
    AND (n.kind = 'order_key' OR NOT EXISTS (
        SELECT 1 FROM source_records owner
        WHERE owner.order_id = o.id AND owner.kind = 'order' AND owner.external_id <> n.key
    ))
"""
# Two orders of one website may show the same number: the one with the lowest id has it, the others carry their ids.
_TOLD_APART = "left({number}, 60) || '~' || CASE WHEN length({key}) < 39 THEN {key} ELSE md5({key}) END"
_TELL_NUMBERS_APART = (
    f"""
    UPDATE orders o SET order_number = {_TOLD_APART.format(number="o.order_number", key="owner.external_id")},
        updated_at = :now
    FROM source_records owner, chunk_orders n
    WHERE n.order_id IS NULL AND n.kind = 'order' AND o.source_website = :website AND o.order_number = n.order_number
    AND owner.order_id = o.id AND owner.kind = 'order'
    AND (length(n.key), n.key) < (length(owner.external_id), owner.external_id)
    """,
    f"""
    UPDATE chunk_orders n SET order_number = {_TOLD_APART.format(number="n.order_number", key="n.key")}
    FROM (
        SELECT position, row_number() OVER (PARTITION BY order_number ORDER BY length(key), key) > 1 AS is_later
        FROM chunk_orders WHERE order_id IS NULL
    ) twin
    WHERE n.position = twin.position AND (twin.is_later OR EXISTS (
        SELECT 1 FROM orders o WHERE o.source_website = :website AND o.order_number = n.order_number
    ))
    """,
)

# A line without a price takes its product's.
_PRICE_LINES = (
    """
    UPDATE chunk_orders n SET lines_total = sums.total, priced = sums.priced
    FROM (
        SELECT l.position, bool_and(l.total_price IS NOT NULL) AS priced,
            sum(coalesce(l.total_price, l.quantity * coalesce(l.unit_price, p.price))) AS total
        FROM chunk_lines l JOIN products p ON p.id = l.product_id
        GROUP BY l.position
    ) sums
    WHERE sums.position = n.position
    """,
    "UPDATE chunk_orders SET lines_total = 0, priced = true WHERE lines_total IS NULL",
)

_LEDGER = """
    (n.lines_total - n.discount_total + n.shipping_total + n.fee_total
        + CASE WHEN n.tax_included THEN 0 ELSE n.tax_total END)
"""
_CURRENCY = """
    coalesce(n.currency, (SELECT w.currency FROM websites w WHERE w.name = :website), :default_currency)
"""

_CREATE = f"""
    INSERT INTO orders (
        order_number, user_id, total_amount, status, source_website, placed_at, currency, discount_total,
        shipping_total, tax_total, fee_total, refunded_total, tax_included, reconciles, source_status, is_test,
        created_at, updated_at
    )
    SELECT n.order_number, n.user_id, coalesce(n.total_amount, {_LEDGER}), n.status, :website,
        coalesce(n.placed_at, :now), {_CURRENCY}, n.discount_total, n.shipping_total, n.tax_total, n.fee_total,
        coalesce(n.refunded_total, 0), n.tax_included,
        n.priced AND coalesce(n.total_amount, {_LEDGER}) = {_LEDGER}, n.source_status, n.is_test, :now, :now
    FROM chunk_orders n WHERE n.order_id IS NULL
    ORDER BY n.position
"""

_TAKE_OVER = (
    """
    UPDATE chunk c SET outcome = CASE WHEN n.order_id IS NULL THEN 'created' WHEN c.is_touch THEN 'unchanged'
        WHEN n.is_known THEN 'updated' ELSE 'merged' END
    FROM chunk_orders n WHERE n.position = c.position
    """,
    """
    UPDATE chunk_orders n SET order_id = o.id FROM orders o
    WHERE n.order_id IS NULL AND o.source_website = :website AND o.order_number = n.order_number
    """,
)

# A status set here holds until the website's own changes. The number stays as it was told apart.
_UPDATE = f"""
    UPDATE orders o SET
        user_id = n.user_id, total_amount = coalesce(n.total_amount, {_LEDGER}),
        status = CASE WHEN n.said_status IS DISTINCT FROM n.status THEN n.status ELSE o.status END,
        placed_at = coalesce(n.placed_at, o.placed_at), currency = coalesce(n.currency, o.currency),
        discount_total = n.discount_total, shipping_total = n.shipping_total, tax_total = n.tax_total,
        fee_total = n.fee_total, refunded_total = coalesce(n.refunded_total, o.refunded_total),
        tax_included = n.tax_included,
        reconciles = n.priced AND coalesce(n.total_amount, {_LEDGER}) = {_LEDGER},
        source_status = n.source_status, is_test = n.is_test, updated_at = :now
    FROM chunk_orders n JOIN chunk c USING (position)
    WHERE o.id = n.order_id AND c.outcome IN ('updated', 'merged')
"""

_REPLACE_LINES = (
    """
    DELETE FROM order_details d USING chunk_orders n JOIN chunk c USING (position)
    WHERE d.order_id = n.order_id AND c.outcome IN ('updated', 'merged') AND n.said_lines IS DISTINCT FROM n.lines_hash
    """,
    """
    INSERT INTO order_details (
        order_id, product_id, quantity, unit_price, total_price, source_reference, is_priced, created_at, updated_at
    )
    SELECT n.order_id, l.product_id, l.quantity, coalesce(l.unit_price, p.price),
        coalesce(l.total_price, l.quantity * coalesce(l.unit_price, p.price)),
        CASE WHEN l.kind = 'product_key' THEN l.key END, l.total_price IS NOT NULL, :now, :now
    FROM chunk_lines l JOIN chunk_orders n USING (position) JOIN chunk c USING (position)
    JOIN products p ON p.id = l.product_id
    WHERE c.outcome = 'created' OR (c.outcome IN ('updated', 'merged') AND n.said_lines IS DISTINCT FROM n.lines_hash)
    ORDER BY l.position, l.line
    """,
)

_LINK = """
    INSERT INTO source_records AS s (
        source_website, kind, external_id, order_id, content_hash, payload_hash, source_updated_at, said, created_at
    )
    SELECT :website, kind, key, order_id, content_hash, payload_hash, updated_at,
        jsonb_strip_nulls(jsonb_build_object(
            'status', status, 'lines', lines_hash, 'consumer', consumer, 'email', email, 'refunds', refund_keys,
            'is_summed', CASE WHEN total_amount IS NULL THEN true END
        )), :now
    FROM chunk_orders
    ON CONFLICT (source_website, kind, external_id) DO UPDATE SET
        order_id = excluded.order_id, content_hash = excluded.content_hash, payload_hash = excluded.payload_hash,
        deleted_at = NULL,
        said = jsonb_strip_nulls(jsonb_build_object('refunds', s.said -> 'refunds')) || excluded.said,
        source_updated_at = coalesce(excluded.source_updated_at, s.source_updated_at)
"""

_OVERRIDE = f"""
    UPDATE source_records s SET said = s.said || {OVERRIDDEN_BY}
    FROM chunk_orders n JOIN chunk c USING (position)
    WHERE s.order_id = n.order_id AND s.kind IN ('order', 'order_key') AND s.content_hash IS NOT NULL AND NOT c.is_touch
    AND (s.kind, s.external_id) <> (n.kind, n.key)
"""

_COUNT_UNRECONCILED = """
    SELECT count(*) FROM orders o JOIN chunk_orders n ON o.id = n.order_id JOIN chunk c USING (position)
    WHERE c.outcome IN ('created', 'updated', 'merged') AND NOT o.reconciles AND n.priced
"""
_COUNT_UNPRICED = """
    SELECT count(*) FROM chunk_orders n JOIN chunk c USING (position)
    WHERE c.outcome IN ('created', 'updated', 'merged') AND NOT n.priced
"""


async def merge_orders(chunk: Chunk) -> None:
    """Needs `chunk_consumers` and `chunk_lines` with their rows found."""
    await chunk.run_all(*_LAY_OUT, _FIND_BY_NUMBER, *_TELL_NUMBERS_APART, *_PRICE_LINES)
    await chunk.run_all(_CREATE, *_TAKE_OVER, _UPDATE, *_REPLACE_LINES, _LINK, _OVERRIDE)
    chunk.warn("an order's total does not add up", (await chunk.run(_COUNT_UNRECONCILED)).scalar_one())
    chunk.warn(
        "an order has lines without a price, which show their products'",
        (await chunk.run(_COUNT_UNPRICED)).scalar_one(),
    )


# A refund may come inside its order, as a record of its own, or as both: it is one refund by its id. One that comes
# before its order waits with an empty order_id.
_REFUNDS = f"""
    SELECT c.position, c.kind = 'refund' AS is_record, c.content_hash, r.key, r.order_key, r.amount, r.created_at
    FROM chunk c, LATERAL jsonb_to_recordset(
        CASE WHEN c.kind IN {ORDERS} THEN c.record -> 'refunds' ELSE jsonb_build_array(c.record) END
    ) AS r(key text, order_key text, amount numeric, created_at timestamptz)
    WHERE c.kind = 'refund' AND c.outcome IN ('created', 'updated', 'unchanged') AND NOT EXISTS (
        SELECT 1 FROM source_records known
        WHERE known.source_website = :website AND known.kind = 'refund' AND known.external_id = c.key
        AND known.content_hash = c.content_hash
    )
    OR c.kind IN {ORDERS} AND c.outcome IN ('created', 'updated', 'merged')
"""

_SET_REFUND_OUTCOMES = """
    UPDATE chunk c SET outcome = CASE WHEN s.said ->> 'amount' IS NULL THEN 'created'
        WHEN (s.said ->> 'amount')::numeric = (c.record ->> 'amount')::numeric THEN 'unchanged' ELSE 'updated' END
    FROM chunk mine LEFT JOIN source_records s
        ON s.source_website = :website AND s.kind = 'refund' AND s.external_id = mine.key AND s.deleted_at IS NULL
    WHERE mine.position = c.position AND c.kind = 'refund' AND c.outcome IS NULL
"""

# A refund's own record knows it better than the order that lists it.
_REFUND_SAID = """
    CASE WHEN s.content_hash IS NOT NULL AND excluded.content_hash IS NULL THEN s.said
    ELSE excluded.said || jsonb_build_object(
        'created', coalesce(nullif(excluded.said -> 'created', 'null'), s.said -> 'created')
    ) END
"""

_LINK_REFUNDS = f"""
    INSERT INTO source_records AS s (
        source_website, kind, external_id, order_id, content_hash, said, created_at
    )
    SELECT DISTINCT ON (f.key) :website, 'refund', f.key, o.order_id, CASE WHEN f.is_record THEN f.content_hash END,
        jsonb_build_object('order', f.order_key, 'amount', f.amount::text, 'created', f.created_at), :now
    FROM ({_REFUNDS}) f
    LEFT JOIN source_records o ON o.source_website = :website AND o.kind = 'order' AND o.external_id = f.order_key
    ORDER BY f.key, f.is_record DESC, f.position DESC
    ON CONFLICT (source_website, kind, external_id) DO UPDATE SET
        order_id = excluded.order_id, said = {_REFUND_SAID},
        content_hash = coalesce(excluded.content_hash, s.content_hash)
    WHERE (s.order_id, s.said, s.content_hash) IS DISTINCT FROM
        (excluded.order_id, {_REFUND_SAID}, coalesce(excluded.content_hash, s.content_hash))
"""

# An order that lists refunds lists all it had when it was written; an empty list says nothing, since some versions
# always send one, unless the order was read for its own sake. So a refund that is not in the list is gone, unless it
# is younger than the list.
_SETTLE_REFUNDS = """
    UPDATE source_records s SET deleted_at = CASE WHEN known.lives THEN NULL ELSE :now END
    FROM (
        SELECT r.id, o.said -> 'refunds' IS NULL OR jsonb_exists(o.said -> 'refunds', r.external_id)
            OR coalesce((r.said ->> 'created')::timestamptz > o.source_updated_at, false) AS lives
        FROM source_records r JOIN source_records o
            ON o.source_website = :website AND o.kind = 'order' AND o.external_id = r.said ->> 'order'
        WHERE r.source_website = :website AND r.kind = 'refund' AND (
            r.order_id IN (SELECT order_id FROM chunk_orders)
            OR r.external_id IN (SELECT key FROM chunk WHERE kind = 'refund')
        )
    ) known
    WHERE s.id = known.id AND (s.deleted_at IS NULL) <> known.lives
"""
_SKIP_GONE_REFUNDS = """
    UPDATE chunk c SET outcome = 'stale'
    FROM source_records s
    WHERE c.kind = 'refund' AND c.outcome IN ('created', 'updated') AND s.source_website = :website
    AND s.kind = 'refund' AND s.external_id = c.key AND s.deleted_at IS NOT NULL
"""

_FIND_WAITING_REFUNDS = """
    UPDATE source_records s SET order_id = n.order_id
    FROM chunk_orders n
    WHERE n.kind = 'order' AND s.source_website = :website AND s.kind = 'refund' AND s.order_id IS NULL
    AND s.said ->> 'order' = n.key
"""

_SUM_REFUNDS = """
    UPDATE orders o SET refunded_total = sums.total, updated_at = :now
    FROM (
        SELECT s.order_id, coalesce(sum((s.said ->> 'amount')::numeric) FILTER (WHERE s.deleted_at IS NULL), 0) AS total
        FROM source_records s
        WHERE s.kind = 'refund' AND s.order_id IN (
            SELECT order_id FROM chunk_orders
            UNION
            SELECT mine.order_id FROM chunk c JOIN source_records mine
                ON mine.source_website = :website AND mine.kind = 'refund' AND mine.external_id = c.key
            WHERE c.kind = 'refund'
        )
        GROUP BY s.order_id
    ) sums
    WHERE o.id = sums.order_id AND o.refunded_total <> sums.total
"""

_COUNT_WAITING = """
    SELECT count(*) FROM chunk c JOIN source_records s
        ON s.source_website = :website AND s.kind = 'refund' AND s.external_id = c.key
    WHERE c.kind = 'refund' AND c.outcome IN ('created', 'updated') AND s.order_id IS NULL
"""


async def merge_refunds(chunk: Chunk) -> None:
    await chunk.run_all(_FIND_WAITING_REFUNDS, _SET_REFUND_OUTCOMES, _LINK_REFUNDS, _SETTLE_REFUNDS)
    await chunk.run(_SKIP_GONE_REFUNDS)
    await chunk.run(_SUM_REFUNDS)
    chunk.warn("a refund waits for an order that is not known yet", (await chunk.run(_COUNT_WAITING)).scalar_one())
