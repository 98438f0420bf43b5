"""Products: found by the website's id, else SKU, else the key or name under which they are already known.

A SKU or a name never overrules an id: a record with an id only takes a row that no other id owns. What a line
names and nobody has a record of becomes an ordinary product, which its own record takes over when it comes.
"""

from app.ingest.merge.chunk import ORDERS, OVERRIDDEN_BY, PRODUCTS, Chunk

_LAY_OUT_RECORDS = (
    """
    CREATE TEMP TABLE chunk_products (
        position bigint, kind text, key text, name text, sku text, fallback_sku text, price numeric, own_name boolean,
        alias text, parent_key text, barcode text, variant text, stock_quantity integer, is_active boolean,
        updated_at timestamptz, content_hash bytea, product_id bigint, parent_id bigint, final_sku text,
        said_active boolean, options text, is_priced boolean
    ) ON COMMIT DROP
    """,
    f"""
    INSERT INTO chunk_products
    SELECT c.position, c.kind, c.key, r.name, r.sku, r.fallback_sku, r.price, r.own_name, r.alias, r.parent_key,
        r.barcode, r.variant, r.stock_quantity, r.is_active, r.updated_at, c.content_hash, s.product_id, NULL, NULL,
        (s.said ->> 'is_active')::boolean, CASE WHEN NOT r.own_name THEN r.name END, r.price IS NOT NULL
    FROM chunk c CROSS JOIN LATERAL jsonb_to_record(c.record) AS r(
        name text, sku text, fallback_sku text, price numeric, own_name boolean, alias text, parent_key text,
        barcode text, variant text, stock_quantity integer, is_active boolean, updated_at timestamptz
    )
    LEFT JOIN source_records s ON s.source_website = :website AND s.kind = c.kind AND s.external_id = c.key
    WHERE c.outcome IS NULL AND c.kind IN {PRODUCTS}
    """,
)

# Parents before their variations: a variation takes name and price from its parent.
_PARENTS, _VARIATIONS = "n.own_name", "NOT n.own_name"

_FIND_PARENTS = """
    UPDATE chunk_products c SET parent_id = s.product_id,
        name = left(p.product_name || ' - ' || c.name, 255), price = coalesce(c.price, p.price)
    FROM source_records s JOIN products p ON p.id = s.product_id
    WHERE NOT c.own_name AND s.source_website = :website AND s.kind = 'product' AND s.external_id = c.parent_key
"""

# A row that no other id owns.
_NOT_OWNED = """
    NOT EXISTS (
        SELECT 1 FROM source_records owner
        WHERE owner.product_id = p.id AND owner.kind = 'product' AND owner.source_website = :website
        AND owner.external_id <> {key}
    )
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
        WHERE n.product_id IS NULL AND {part} AND (n.kind <> 'product' OR {not_owned})
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
    ))
"""

# A SKU that is missing is made up; one that is taken, in the table or earlier in this chunk, is told apart.
_CHOOSE_SKUS = """
    UPDATE chunk_products c SET final_sku = CASE
        WHEN wanted.is_first AND NOT EXISTS (
            SELECT 1 FROM products p WHERE p.source_website = :website AND p.sku = wanted.sku
        ) THEN wanted.sku
        ELSE left(wanted.sku, 60) || '~' || CASE WHEN length(c.key) < 39 THEN c.key ELSE md5(c.key) END
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
    ON CONFLICT (source_website, sku) DO NOTHING
"""

# What a file without ids says does not replace what the website's own record says.
_TAKE_OVER_RECORDS = (
    """
    UPDATE chunk c SET outcome = CASE
        WHEN n.product_id IS NULL THEN 'created'
        WHEN n.kind = 'product_key' AND EXISTS (
            SELECT 1 FROM source_records owner
            WHERE owner.product_id = n.product_id AND owner.kind = 'product' AND owner.content_hash IS NOT NULL
            AND owner.source_updated_at IS NOT NULL
        ) THEN 'known_by_id'
        ELSE 'updated'
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
        updated_at, jsonb_build_object('is_active', is_active) || CASE WHEN n.own_name THEN '{{}}'
            ELSE jsonb_build_object('parent', n.parent_key, 'options', n.options, 'is_priced', n.is_priced) END, :now
    FROM chunk_products n JOIN chunk c USING (position) WHERE {part}
    ON CONFLICT (source_website, kind, external_id) DO UPDATE SET
        product_id = excluded.product_id, content_hash = excluded.content_hash, deleted_at = NULL,
        source_updated_at = excluded.source_updated_at, said = excluded.said
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
    WHERE s.product_id = n.product_id AND c.outcome = 'updated' AND {{part}} AND s.content_hash IS NOT NULL
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
            WHEN n.sku IS NULL OR n.final_sku IS NOT NULL OR EXISTS (
                SELECT 1 FROM products other
                WHERE other.source_website = :website AND other.sku = n.sku AND other.id <> p.id
            ) THEN p.sku
            ELSE n.sku
        END
    FROM chunk_products n JOIN chunk c USING (position)
    WHERE p.id = n.product_id AND c.outcome = 'updated' AND {part}
"""

# Variations that came before their parent, or whose parent has another name or price now.
_FOLLOW_PARENTS = """
    UPDATE products v SET product_name = now.name, price = now.price, updated_at = :now
    FROM (
        SELECT s.product_id AS id, left(p.product_name || ' - ' || (s.said ->> 'options'), 255) AS name,
            CASE WHEN (s.said ->> 'is_priced')::boolean THEN variation.price ELSE p.price END AS price
        FROM chunk_products n JOIN products p ON p.id = n.product_id
        JOIN source_records s ON s.source_website = :website AND s.kind = 'product' AND s.said ->> 'parent' = n.key
        JOIN products variation ON variation.id = s.product_id
        WHERE n.own_name AND n.kind = 'product'
    ) now
    WHERE v.id = now.id AND (v.product_name, v.price) IS DISTINCT FROM (now.name, now.price)
"""

_COUNT_UNPRICED = "SELECT count(*) FROM chunk_products WHERE price IS NULL"
_COUNT_ORPHANS = "SELECT count(*) FROM chunk_products WHERE NOT own_name AND parent_id IS NULL"


async def merge_product_records(chunk: Chunk) -> None:
    await chunk.run_all(*_LAY_OUT_RECORDS, "ANALYZE chunk_products")
    for part in (_PARENTS, _VARIATIONS):
        if part == _VARIATIONS:
            await chunk.run(_FIND_PARENTS)
        not_owned = _NOT_OWNED.format(key="n.key")
        for matches in (_BY_SKU, _BY_ALIAS, _BY_NAME):
            await chunk.run(_FIND_RECORDS.format(matches=matches, part=part, not_owned=not_owned))
        for statement in (_CHOOSE_SKUS, _CREATE_RECORDS, *_TAKE_OVER_RECORDS, _UPDATE_RECORDS):
            await chunk.run(statement.format(part=part))
    await chunk.run(_FOLLOW_PARENTS)
    chunk.warn("a product without a price was taken at 0", (await chunk.run(_COUNT_UNPRICED)).scalar_one())
    chunk.warn("a variation came before its parent", (await chunk.run(_COUNT_ORPHANS)).scalar_one())


_LAY_OUT_LINES = (
    """
    CREATE TEMP TABLE chunk_lines (
        position bigint, line bigint, product_key text, sku text, name text, fallback_sku text, quantity integer,
        unit_price numeric, total_price numeric, product_exists boolean, product_id bigint
    ) ON COMMIT DROP
    """,
    f"""
    INSERT INTO chunk_lines
    SELECT c.position, r.line, r.product_key, r.sku, r.name, r.fallback_sku, r.quantity, r.unit_price, r.total_price,
        r.product_exists, NULL
    FROM chunk c, ROWS FROM (jsonb_to_recordset(c.record -> 'lines') AS (
        product_key text, sku text, name text, fallback_sku text, quantity integer, unit_price numeric,
        total_price numeric, product_exists boolean
    )) WITH ORDINALITY AS r(
        product_key, sku, name, fallback_sku, quantity, unit_price, total_price, product_exists, line
    )
    WHERE c.outcome IS NULL AND c.kind IN {ORDERS}
    """,
    "ANALYZE chunk_lines",
)

_FIND_BY_ID = """
    UPDATE chunk_lines l SET product_id = s.product_id
    FROM source_records s
    WHERE l.product_id IS NULL AND s.source_website = :website AND s.kind = 'product'
    AND s.external_id = l.product_key AND s.product_id IS NOT NULL
"""
_FIND_BY_SKU = f"""
    UPDATE chunk_lines l SET product_id = p.id
    FROM products p
    WHERE l.product_id IS NULL AND p.source_website = :website AND p.sku = l.sku
    AND (l.product_key IS NULL OR {_NOT_OWNED.format(key="l.product_key")})
"""
_FIND_BY_NAME = f"""
    UPDATE chunk_lines l SET product_id = found.id
    FROM (
        SELECT wanted.name, min(p.id) AS id
        FROM (SELECT DISTINCT name FROM chunk_lines WHERE product_id IS NULL) wanted
        JOIN products p ON p.source_website = :website AND p.product_name = wanted.name
        GROUP BY wanted.name HAVING count(*) = 1
    ) found JOIN products p ON p.id = found.id
    WHERE l.product_id IS NULL AND l.name = found.name AND l.sku IS NULL
    AND (l.product_key IS NULL OR {_NOT_OWNED.format(key="l.product_key")})
"""

# What the lines of one kind of reference name and nobody has. Its link lets the product's own record, or the next
# line, find it again.
_CREATE_FROM_LINES = """
    WITH wanted AS (
        SELECT DISTINCT ON ({reference}) {kind} AS kind, {key} AS key, name, coalesce(sku, fallback_sku) AS sku,
            coalesce(unit_price, 0) AS price, product_exists
        FROM chunk_lines WHERE product_id IS NULL AND {reference} IS NOT NULL
        ORDER BY {reference}, position DESC, line
    ), named AS (
        SELECT *, CASE
            WHEN row_number() OVER (PARTITION BY sku ORDER BY key) = 1 AND NOT EXISTS (
                SELECT 1 FROM products p WHERE p.source_website = :website AND p.sku = wanted.sku
            ) THEN sku
            ELSE left(sku, 60) || '~' || CASE WHEN length(key) < 39 THEN key ELSE md5(key) END
        END AS final_sku FROM wanted
    ), made AS (
        INSERT INTO products (product_name, price, sku, source_website, is_active, created_at, updated_at)
        SELECT name, price, final_sku, :website, product_exists, :now, :now FROM named
        ON CONFLICT (source_website, sku) DO NOTHING
        RETURNING id, sku
    )
    INSERT INTO source_records (source_website, kind, external_id, product_id, created_at)
    SELECT :website, named.kind, named.key, made.id, :now FROM named JOIN made ON made.sku = named.final_sku
    ON CONFLICT (source_website, kind, external_id) DO UPDATE SET product_id = excluded.product_id
"""

_FIND_MADE_BY_KEY = """
    UPDATE chunk_lines l SET product_id = s.product_id
    FROM source_records s
    WHERE l.product_id IS NULL AND s.source_website = :website AND s.kind = 'product_key'
    AND s.external_id = {key} AND s.product_id IS NOT NULL
"""
# A name that several products have is known by the row once made for it.
_FIND_NAMED_BEFORE = f"""
    {_FIND_MADE_BY_KEY.format(key="'name:' || l.name")} AND l.product_key IS NULL AND l.sku IS NULL
"""


async def merge_line_products(chunk: Chunk) -> None:
    """Leaves `chunk_lines.product_id` filled: by id, then SKU, then name, each made where nobody has it."""
    await chunk.run_all(*_LAY_OUT_LINES, _FIND_BY_ID, _FIND_BY_SKU, _FIND_NAMED_BEFORE, _FIND_BY_NAME)
    for reference, kind, key, finders in (
        ("product_key", "'product'", "product_key", (_FIND_BY_ID, _FIND_BY_SKU, _FIND_BY_NAME)),
        ("sku", "'product_key'", "'sku:' || sku", (_FIND_BY_SKU, _FIND_MADE_BY_KEY.format(key="'sku:' || l.sku"))),
        ("name", "'product_key'", "'name:' || name", (_FIND_NAMED_BEFORE,)),
    ):
        created = await chunk.run(_CREATE_FROM_LINES.format(reference=reference, kind=kind, key=key))
        chunk.imply("products", created.rowcount)
        await chunk.run_all(*finders)
    # Until now the statistics say that no line has a product, and the lines' insert would be planned for one row.
    await chunk.run("ANALYZE chunk_lines")
