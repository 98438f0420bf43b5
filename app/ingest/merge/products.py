"""Products: found by the website's id, else SKU, else the key or name under which they are already known.

A SKU or a name never overrules an id: a record with an id only takes a row that no other id owns. What a line
names and nobody has a record of becomes an ordinary product, which its own record takes over when it comes
(see `references`).
"""

from app.ingest.merge.chunk import OVERRIDDEN_BY, PRODUCTS, Chunk

_LAY_OUT_RECORDS = (
    """
    CREATE TEMP TABLE chunk_products (
        position bigint, kind text, key text, name text, sku text, fallback_sku text, price numeric, own_name boolean,
        alias text, parent_key text, group_key text, barcode text, variant text, stock_quantity integer,
        is_active boolean, updated_at timestamptz, content_hash bytea, product_id bigint, parent_id bigint,
        final_sku text, said_active boolean, options text, is_priced boolean, is_linked boolean, is_known boolean
    ) ON COMMIT DROP
    """,
    # Names and SKUs that begin or cease to mean a product; what lines call by them has to be looked up again.
    # `reprices` where lines that came without a price take it from there: not when a known record tells another one.
    "CREATE TEMP TABLE renamed_products (product_id bigint, name text, sku text, reprices boolean) ON COMMIT DROP",
    f"""
    INSERT INTO chunk_products
    SELECT c.position, c.kind, c.key, r.name, r.sku, r.fallback_sku, r.price, r.own_name, r.alias, r.parent_key,
        r.group_key, r.barcode, r.variant, r.stock_quantity, r.is_active, r.updated_at, c.content_hash, s.product_id,
        NULL, NULL, (s.said ->> 'is_active')::boolean, CASE WHEN NOT r.own_name THEN r.name END, r.price IS NOT NULL,
        s.product_id IS NOT NULL, s.content_hash IS NOT NULL
    FROM chunk c CROSS JOIN LATERAL jsonb_to_record(c.record) AS r(
        name text, sku text, fallback_sku text, price numeric, own_name boolean, alias text, parent_key text,
        group_key text, barcode text, variant text, stock_quantity integer, is_active boolean, updated_at timestamptz
    )
    LEFT JOIN source_records s ON s.source_website = :website AND s.kind = c.kind AND s.external_id = c.key
    WHERE c.outcome IS NULL AND c.kind IN {PRODUCTS}
    """,
)

# Parents before their variations: a variation takes name and price from its parent.
_PARENTS, _VARIATIONS = "n.parent_key IS NULL", "n.parent_key IS NOT NULL"

# The parent is told by its id, or as "sku:…".
_FIND_PARENTS = """
    UPDATE chunk_products c SET parent_id = p.id, price = coalesce(c.price, p.price),
        name = CASE WHEN c.own_name THEN c.name ELSE left(p.product_name || ' - ' || c.name, 255) END
    FROM products p
    WHERE c.parent_key IS NOT NULL AND p.source_website = :website AND p.id = CASE
        WHEN c.parent_key LIKE 'sku:%' THEN (
            SELECT same.id FROM products same
            WHERE same.source_website = :website AND same.sku = substr(c.parent_key, 5)
        ) ELSE (
            SELECT s.product_id FROM source_records s
            WHERE s.source_website = :website AND s.kind = 'product' AND s.external_id = c.parent_key
        ) END
"""

# A row that no other id owns; for a record of a file without ids, none that another such record owns.
NOT_OWNED = """
    NOT EXISTS (
        SELECT 1 FROM source_records owner
        WHERE owner.product_id = p.id AND owner.kind = 'product' AND owner.source_website = :website
        AND owner.external_id <> {key}
    )
"""
_NOT_TAKEN = f"""
    CASE WHEN n.kind = 'product' THEN {NOT_OWNED.format(key="n.key")} ELSE NOT EXISTS (
        SELECT 1 FROM source_records owner
        WHERE owner.product_id = p.id AND owner.kind = 'product_key' AND owner.source_website = :website
        AND owner.external_id <> n.key AND owner.content_hash IS NOT NULL
        AND split_part(owner.external_id, ':', 1) = split_part(n.key, ':', 1)
    ) END
"""

# One row may be found by one record only: the first in file order.
_FIND_RECORDS = """
    UPDATE chunk_products c SET product_id = found.product_id, said_active = (
        SELECT (s.said ->> 'is_active')::boolean FROM source_records s
        WHERE s.product_id = found.product_id AND s.said ->> 'is_active' IS NOT NULL
        ORDER BY s.id DESC LIMIT 1
    )
    FROM (
        SELECT DISTINCT ON (p.id) n.position, p.id AS product_id
        FROM chunk_products n {matches}
        WHERE n.product_id IS NULL AND {part} AND {not_taken}
        AND NOT EXISTS (SELECT 1 FROM chunk_products taken WHERE taken.product_id = p.id)
        ORDER BY p.id, n.position
    ) found
    WHERE c.position = found.position
"""
_BY_SKU = """
    JOIN products p ON p.source_website = :website AND p.sku = n.sku AND p.id IS DISTINCT FROM n.parent_id
"""
# The key that a file without ids gave it.
_BY_ALIAS = """
    JOIN source_records k ON k.source_website = :website AND k.kind = 'product_key' AND k.external_id = n.alias
    JOIN products p ON p.id = k.product_id
"""
# By name only a product that nothing but its name was known of, or a record without a SKU.
_BY_NAME = """
    JOIN products p ON p.source_website = :website AND p.product_name = n.name AND (
        SELECT count(*) FROM products same WHERE same.source_website = :website AND same.product_name = n.name
    ) = 1 AND (n.sku IS NULL OR EXISTS (
        SELECT 1 FROM source_records met
        WHERE met.product_id = p.id AND met.kind = 'product_key' AND met.external_id = 'name:' || n.name
    ) AND NOT EXISTS (
        SELECT 1 FROM source_records known WHERE known.product_id = p.id
        AND (known.kind = 'product' OR known.content_hash IS NOT NULL)
    ))
"""

TOLD_APART = "left({sku}, 60) || '~' || CASE WHEN length({key}) < 39 THEN {key} ELSE md5({key}) END"

# A SKU that is missing is made up; one that is taken, in the table or earlier in this chunk, is told apart.
_CHOOSE_SKUS = """
    UPDATE chunk_products c SET final_sku = CASE
        WHEN wanted.is_first AND NOT EXISTS (
            SELECT 1 FROM products p WHERE p.source_website = :website AND p.sku = wanted.sku
        ) THEN wanted.sku
        ELSE {told_apart}
    END
    FROM (
        SELECT n.position, coalesce(n.sku, n.fallback_sku) AS sku,
            row_number() OVER (PARTITION BY coalesce(n.sku, n.fallback_sku) ORDER BY n.position) = 1 AS is_first
        FROM chunk_products n WHERE n.product_id IS NULL AND {part}
    ) wanted
    WHERE c.position = wanted.position
"""

_CREATE_RECORDS = """
    INSERT INTO products (
        product_name, barcode, price, sku, variant, source_website, is_active, stock_quantity, created_at, updated_at
    )
    SELECT name, barcode, coalesce(price, 0), final_sku, variant, :website, is_active, stock_quantity, :now, :now
    FROM chunk_products n WHERE product_id IS NULL AND {part}
    ORDER BY position
"""

# What a file without ids says does not replace what the website's own record says.
_TAKE_OVER_RECORDS = (
    """
    UPDATE chunk c SET outcome = CASE
        WHEN n.product_id IS NULL THEN 'created'
        WHEN c.is_touch THEN 'unchanged'
        WHEN n.kind = 'product_key' AND EXISTS (
            SELECT 1 FROM source_records owner
            WHERE owner.product_id = n.product_id AND owner.kind = 'product' AND owner.content_hash IS NOT NULL
            AND owner.source_updated_at IS NOT NULL
        ) THEN 'known_by_id'
        WHEN n.is_linked THEN 'updated'
        ELSE 'merged'
    END
    FROM chunk_products n WHERE n.position = c.position AND {part}
    """,
    """
    UPDATE chunk_products n SET product_id = p.id
    FROM products p
    WHERE n.product_id IS NULL AND {part} AND p.source_website = :website AND p.sku = n.final_sku
    """,
    """
    INSERT INTO source_records AS s (
        source_website, kind, external_id, product_id, content_hash, source_updated_at, said, created_at
    )
    SELECT :website, n.kind, n.key, product_id, CASE WHEN c.outcome <> 'known_by_id' THEN n.content_hash END,
        updated_at, jsonb_build_object('is_active', is_active) || CASE WHEN n.parent_key IS NULL THEN '{{}}'
            ELSE jsonb_build_object('parent', n.parent_key, 'options', n.options, 'is_priced', n.is_priced) END
        || CASE WHEN n.group_key IS NULL THEN '{{}}' ELSE jsonb_build_object('group', n.group_key) END, :now
    FROM chunk_products n JOIN chunk c USING (position) WHERE {part}
    ON CONFLICT (source_website, kind, external_id) DO UPDATE SET
        product_id = excluded.product_id, content_hash = excluded.content_hash, deleted_at = NULL,
        source_updated_at = excluded.source_updated_at,
        said = jsonb_strip_nulls(jsonb_build_object('met', s.said -> 'met')) || excluded.said
    """,
    """
    INSERT INTO source_records (source_website, kind, external_id, product_id, created_at)
    SELECT :website, 'product_key', alias, min(product_id), :now
    FROM chunk_products n WHERE {part} AND alias IS NOT NULL
    GROUP BY alias HAVING count(*) = 1
    ON CONFLICT (source_website, kind, external_id) DO NOTHING
    """,
    f"""
    UPDATE source_records s SET said = s.said || {OVERRIDDEN_BY}
    FROM chunk_products n JOIN chunk c USING (position)
    WHERE s.product_id = n.product_id AND c.outcome IN ('updated', 'merged') AND {{part}} AND s.content_hash IS NOT NULL
    AND (s.kind, s.external_id) <> (n.kind, n.key)
    """,
)

# `is_active` set here holds until the website's own value changes.
_UPDATE_RECORDS = """
    UPDATE products p SET
        product_name = n.name, barcode = n.barcode, price = coalesce(n.price, 0), variant = n.variant,
        stock_quantity = n.stock_quantity, updated_at = :now,
        is_active = CASE WHEN n.said_active IS DISTINCT FROM n.is_active THEN n.is_active ELSE p.is_active END,
        sku = CASE
            WHEN n.final_sku IS NOT NULL OR (n.sku IS NULL AND n.is_known) THEN p.sku
            WHEN NOT EXISTS (
                SELECT 1 FROM products other WHERE other.source_website = :website
                AND other.sku = coalesce(n.sku, n.fallback_sku) AND other.id <> p.id
            ) THEN coalesce(n.sku, n.fallback_sku)
            WHEN n.is_known OR p.sku = {told_apart} THEN p.sku
            ELSE {told_apart}
        END
    FROM chunk_products n JOIN chunk c USING (position)
    WHERE p.id = n.product_id AND c.outcome IN ('updated', 'merged') AND {part}
"""

# Variations that came before their parent, or whose parent has another name or price now.
_VARIATIONS_OF_RENAMED = f"""
    FROM (
        SELECT s.external_id AS key, r.product_id FROM renamed_products r
        JOIN source_records s ON s.product_id = r.product_id AND s.kind = 'product'
        UNION SELECT 'sku:' || sku, product_id FROM renamed_products
    ) parent
    JOIN source_records s ON s.source_website = :website AND s.kind IN {PRODUCTS} AND s.said ->> 'parent' = parent.key
    JOIN products p ON p.id = parent.product_id
    JOIN products variation ON variation.id = s.product_id
"""
_FOLLOW_PARENTS = (
    "ANALYZE renamed_products",
    f"""
    CREATE TEMP TABLE followers ON COMMIT DROP AS
    SELECT DISTINCT ON (variation.id) variation.id, variation.product_name AS old_name, variation.price AS old_price,
        coalesce(left(p.product_name || ' - ' || (s.said ->> 'options'), 255), variation.product_name) AS name,
        CASE WHEN (s.said ->> 'is_priced')::boolean THEN variation.price ELSE p.price END AS price
    {_VARIATIONS_OF_RENAMED}
    ORDER BY variation.id, s.id
    """,
    "DELETE FROM followers WHERE (name, price) = (old_name, old_price)",
    """
    INSERT INTO renamed_products
    SELECT p.id, unnest(ARRAY[f.old_name, f.name]), p.sku, true FROM followers f JOIN products p USING (id)
    """,
    """
    UPDATE products p SET product_name = f.name, price = f.price, updated_at = :now FROM followers f WHERE f.id = p.id
    """,
)

_NOTE_NAMES = """
    INSERT INTO renamed_products
    SELECT p.id, p.product_name, p.sku, n.is_known IS NOT true FROM products p
    JOIN chunk_products n ON n.product_id = p.id
    WHERE {part}
"""
_COUNT_UNPRICED = "SELECT count(*) FROM chunk_products WHERE price IS NULL"
_COUNT_ORPHANS = "SELECT count(*) FROM chunk_products WHERE parent_key IS NOT NULL AND parent_id IS NULL"


async def merge_product_records(chunk: Chunk) -> None:
    """Leaves the names and SKUs that have changed, before and after, in `renamed_products`."""
    await chunk.run_all(*_LAY_OUT_RECORDS, "ANALYZE chunk_products")
    for part in (_PARENTS, _VARIATIONS):
        if part == _VARIATIONS:
            await chunk.run(_FIND_PARENTS)
        for matches in (_BY_SKU, _BY_ALIAS, _BY_NAME):
            await chunk.run(_FIND_RECORDS.format(matches=matches, part=part, not_taken=_NOT_TAKEN))
        await chunk.run(_NOTE_NAMES.format(part=part))
        await chunk.run(_CHOOSE_SKUS.format(part=part, told_apart=TOLD_APART.format(sku="wanted.sku", key="c.key")))
        for statement in (_CREATE_RECORDS, *_TAKE_OVER_RECORDS):
            await chunk.run(statement.format(part=part))
        wanted = TOLD_APART.format(sku="coalesce(n.sku, n.fallback_sku)", key="n.key")
        await chunk.run(_UPDATE_RECORDS.format(part=part, told_apart=wanted))
        await chunk.run(_NOTE_NAMES.format(part=part))
    chunk.warn("a product without a price was taken at 0", (await chunk.run(_COUNT_UNPRICED)).scalar_one())
    chunk.warn("a variation came before its parent", (await chunk.run(_COUNT_ORPHANS)).scalar_one())


async def follow_parents(chunk: Chunk) -> None:
    """Name and price the variations of `renamed_products` anew, and add them there."""
    await chunk.run_all(*_FOLLOW_PARENTS)
