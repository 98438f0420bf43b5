"""Returns that a file lists as lines: each is booked as a refund of what its customer last bought of the product.

Such a line does not say which order it takes back. It is booked on the same customer's latest earlier order of the
product, as far as what that order's lines of the product come to, less what was booked there before; what does not
reach is not booked. Of several returns the earlier take first. A booked return is a `source_records` row of kind
'refund', so that it is part of the order's sum of refunds; one whose purchase is not known is not kept, and may be
booked when it comes again.
"""

from app.ingest.merge.chunk import Chunk

_ANY = "SELECT EXISTS (SELECT 1 FROM chunk WHERE kind = 'return' AND outcome IS NULL)"

# `said_order_id` is where a return known before, with other content, was booked; (kind, reference) is what its line
# calls the product.
_LAY_OUT = (
    "DROP TABLE IF EXISTS chunk_returns",
    """
    CREATE TEMP TABLE chunk_returns (
        position bigint, key text, placed_at timestamptz, consumer_kind text, consumer_key text, email text,
        kind text, reference text, sku text, name text, amount numeric, content_hash bytea, is_known boolean,
        said_order_id bigint, user_id bigint, product_id bigint, order_id bigint, booked numeric
    ) ON COMMIT DROP
    """,
    """
    UPDATE chunk c SET outcome = 'unchanged'
    FROM source_records s
    WHERE c.kind = 'return' AND c.outcome IS NULL AND s.source_website = :website AND s.kind = 'refund'
    AND s.external_id = 'return:' || c.key AND s.content_hash = c.content_hash
    """,
    """
    INSERT INTO chunk_returns
    SELECT c.position, 'return:' || c.key, r.placed_at, r.consumer_kind, r.consumer_key, r.email,
        CASE WHEN r.product_key IS NULL THEN 'product_key' ELSE 'product' END,
        coalesce(r.product_key, 'sku:' || r.sku, 'name:' || r.name), r.sku, r.name, r.amount, c.content_hash,
        s.id IS NOT NULL, s.order_id
    FROM chunk c CROSS JOIN LATERAL jsonb_to_record(c.record) AS r(
        placed_at timestamptz, consumer_kind text, consumer_key text, email text, product_key text, sku text, name text,
        amount numeric
    )
    LEFT JOIN source_records s ON s.source_website = :website AND s.kind = 'refund'
        AND s.external_id = 'return:' || c.key
    WHERE c.outcome IS NULL AND c.kind = 'return'
    """,
    "ANALYZE chunk_returns",
)

# As consumers of orders are found, but nobody is made.
_FIND_CUSTOMERS = (
    """
    UPDATE chunk_returns r SET user_id = s.user_id
    FROM source_records s
    WHERE s.source_website = :website AND s.kind = r.consumer_kind AND s.external_id = r.consumer_key
    """,
    """
    UPDATE chunk_returns r SET user_id = u.id
    FROM users u
    WHERE r.user_id IS NULL AND u.email = r.email AND (r.consumer_kind = 'guest' OR NOT EXISTS (
        SELECT 1 FROM source_records other
        WHERE other.user_id = u.id AND other.kind = 'consumer' AND other.source_website = :website
        AND other.external_id <> r.consumer_key
    ))
    """,
)

# As an order's line of these words found it, else by SKU, else by name.
_FIND_PRODUCTS = (
    """
    UPDATE chunk_returns r SET product_id = s.product_id
    FROM source_records s
    WHERE s.source_website = :website AND s.kind = r.kind AND s.external_id = r.reference
    """,
    """
    UPDATE chunk_returns r SET product_id = p.id
    FROM products p
    WHERE r.product_id IS NULL AND p.source_website = :website AND p.sku = r.sku
    """,
    """
    UPDATE chunk_returns r SET product_id = found.id
    FROM (
        SELECT wanted.name, min(p.id) AS id
        FROM (SELECT DISTINCT name FROM chunk_returns WHERE product_id IS NULL AND sku IS NULL) wanted
        JOIN products p ON p.source_website = :website AND p.product_name = wanted.name
        GROUP BY wanted.name HAVING count(*) = 1
    ) found
    WHERE r.product_id IS NULL AND r.sku IS NULL AND r.name = found.name
    """,
)

# Of two orders of one moment the one with the higher number, whichever came in first.
_FIND_PURCHASES = """
    UPDATE chunk_returns r SET order_id = (
        SELECT o.id FROM orders o
        WHERE o.user_id = r.user_id AND o.source_website = :website AND o.placed_at < r.placed_at
        AND o.status <> 'cancelled' AND NOT o.is_test
        AND EXISTS (SELECT 1 FROM order_details d WHERE d.order_id = o.id AND d.product_id = r.product_id)
        ORDER BY o.placed_at DESC, o.order_number COLLATE "C" DESC LIMIT 1
    )
    WHERE r.user_id IS NOT NULL AND r.product_id IS NOT NULL
"""

# What the words of an earlier return mean may have changed, with the lines of those words: so they are looked up.
# `before` is what the earlier returns of this chunk ask for; together they take no more than is left.
_BOOK = (
    """
    UPDATE chunk_returns r SET booked = greatest(0, least(r.amount, claim.line_total - claim.taken - claim.before))
    FROM (
        SELECT n.position,
            (SELECT sum(d.total_price) FROM order_details d
                WHERE d.order_id = n.order_id AND d.product_id = n.product_id) AS line_total,
            (SELECT coalesce(sum((s.said ->> 'amount')::numeric), 0) FROM source_records s
                LEFT JOIN source_records words ON words.source_website = :website
                    AND words.kind = s.said ->> 'kind' AND words.external_id = s.said ->> 'reference'
                WHERE s.order_id = n.order_id AND s.kind = 'refund' AND s.deleted_at IS NULL
                AND coalesce(words.product_id, (s.said ->> 'product')::bigint) = n.product_id
                AND s.external_id NOT IN (SELECT mine.key FROM chunk_returns mine)) AS taken,
            coalesce(sum(n.amount) OVER (
                PARTITION BY n.order_id, n.product_id ORDER BY n.placed_at, n.position
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ), 0) AS before
        FROM chunk_returns n WHERE n.order_id IS NOT NULL
    ) claim
    WHERE claim.position = r.position
    """,
    """
    INSERT INTO source_records AS s (source_website, kind, external_id, order_id, content_hash, said, created_at)
    SELECT :website, 'refund', key, order_id, content_hash,
        jsonb_build_object('amount', booked::text, 'product', product_id, 'kind', kind, 'reference', reference), :now
    FROM chunk_returns WHERE order_id IS NOT NULL ORDER BY position
    ON CONFLICT (source_website, kind, external_id) DO UPDATE SET
        order_id = excluded.order_id, content_hash = excluded.content_hash, said = excluded.said, deleted_at = NULL
    """,
    """
    UPDATE source_records s SET deleted_at = :now, content_hash = NULL
    FROM chunk_returns r
    WHERE r.order_id IS NULL AND s.source_website = :website AND s.kind = 'refund' AND s.external_id = r.key
    AND s.deleted_at IS NULL
    """,
    """
    UPDATE orders o SET refunded_total = sums.total, updated_at = :now
    FROM (
        SELECT touched.order_id, coalesce(sum((s.said ->> 'amount')::numeric), 0) AS total
        FROM (SELECT order_id FROM chunk_returns UNION SELECT said_order_id FROM chunk_returns) touched
        LEFT JOIN source_records s ON s.order_id = touched.order_id AND s.kind = 'refund' AND s.deleted_at IS NULL
        GROUP BY touched.order_id
    ) sums
    WHERE o.id = sums.order_id AND o.refunded_total <> sums.total
    """,
    """
    UPDATE chunk c SET outcome = CASE
        WHEN r.order_id IS NULL THEN 'return_without_purchase' WHEN r.is_known THEN 'updated' ELSE 'created'
    END
    FROM chunk_returns r WHERE r.position = c.position
    """,
)

_COUNT_CUT = "SELECT count(*) FROM chunk_returns WHERE booked < amount"


async def merge_returns(chunk: Chunk) -> None:
    """Needs the chunk's orders and refunds merged."""
    if not (await chunk.run(_ANY)).scalar_one():
        return
    await chunk.run_all(*_LAY_OUT, *_FIND_CUSTOMERS, *_FIND_PRODUCTS, _FIND_PURCHASES, *_BOOK)
    chunk.warn("a return was booked only as far as its purchase reaches", (await chunk.run(_COUNT_CUT)).scalar_one())
