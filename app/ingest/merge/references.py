"""What order lines call their products: an id, else a SKU, else a name. Each is a reference with a link of its own.

An id is its own product. A SKU means the product that has it, a name the only product so called; where that is none,
the reference has a product of its own, made from what its lines tell. When a product comes, leaves, or is renamed, the
references that concerns are looked up again and their lines follow: so it does not matter whether a product or the
orders of it came first.
"""

from app.ingest.merge.chunk import ORDERS, Chunk
from app.ingest.merge.products import NOT_OWNED, TOLD_APART, follow_parents

_LAY_OUT = (
    """
    CREATE TEMP TABLE chunk_lines (
        position bigint, line bigint, kind text, key text, sku text, name text, fallback_sku text, quantity integer,
        unit_price numeric, total_price numeric, product_exists boolean, product_id bigint
    ) ON COMMIT DROP
    """,
    f"""
    INSERT INTO chunk_lines
    SELECT c.position, r.line, CASE WHEN r.product_key IS NULL THEN 'product_key' ELSE 'product' END,
        coalesce(r.product_key, 'sku:' || r.sku, 'name:' || r.name), r.sku, r.name, r.fallback_sku, r.quantity,
        r.unit_price, r.total_price, r.product_exists, NULL
    FROM chunk c, ROWS FROM (jsonb_to_recordset(c.record -> 'lines') AS (
        product_key text, sku text, name text, fallback_sku text, quantity integer, unit_price numeric,
        total_price numeric, product_exists boolean
    )) WITH ORDINALITY AS r(
        product_key, sku, name, fallback_sku, quantity, unit_price, total_price, product_exists, line
    )
    WHERE c.outcome IS NULL AND c.kind IN {ORDERS}
    """,
    "ANALYZE chunk_lines (position, kind, key, product_id)",
)

# What the lines of a reference tell of its product, in a way that knows no order: the longest name, the highest
# price, and gone as soon as one says so.
_GATHER = (
    """
    CREATE TEMP TABLE chunk_references (
        kind text, key text, sku text, name text, fallback_sku text, price numeric, product_exists boolean,
        place bigint[], product_id bigint
    ) ON COMMIT DROP
    """,
    """
    INSERT INTO chunk_references
    SELECT kind, key, max(sku), (array_agg(name ORDER BY length(name) DESC, name))[1], max(fallback_sku),
        max(unit_price), bool_and(product_exists), min(ARRAY[position, line]), NULL
    FROM chunk_lines GROUP BY kind, key
    """,
    """
    UPDATE chunk_references r SET product_id = s.product_id
    FROM source_records s
    WHERE s.source_website = :website AND s.kind = r.kind AND s.external_id = r.key AND s.product_id IS NOT NULL
    """,
    "ANALYZE chunk_references (kind, key, sku, product_id)",
)

# A product that something else than references is known of: a record, an id, or that it was entered here.
_PROPER = """
    (EXISTS (
        SELECT 1 FROM source_records s WHERE s.product_id = p.id AND (s.kind = 'product' OR s.content_hash IS NOT NULL)
    ) OR NOT EXISTS (SELECT 1 FROM source_records s WHERE s.product_id = p.id))
"""
_BY_SKU = f"""
    SELECT p.id FROM products p
    WHERE p.source_website = :website AND p.sku = substr({{key}}, 5) AND {_PROPER}
"""
_BY_NAME = f"""
    SELECT min(p.id) FROM products p
    WHERE p.source_website = :website AND p.product_name = substr({{key}}, 6) AND {_PROPER}
    HAVING count(*) = 1
"""


def _meaning(key: str) -> str:
    """The SQL for the product that a reference means, by its key; NULL where it has to have one of its own."""
    return f"CASE WHEN {key} LIKE 'sku:%' THEN ({_BY_SKU.format(key=key)}) ELSE ({_BY_NAME.format(key=key)}) END"


_LOOK_UP = f"""
    UPDATE chunk_references r SET product_id = {_meaning("r.key")}
    WHERE r.product_id IS NULL AND r.kind = 'product_key'
"""

# An id that is met for the first time takes a row that no other id owns: by SKU, else, where it has none, by a name
# that no other row has.
_ADOPT = """
    UPDATE chunk_references r SET product_id = found.product_id
    FROM (
        SELECT DISTINCT ON (p.id) n.key, p.id AS product_id
        FROM chunk_references n JOIN products p ON p.source_website = :website AND {matches}
        WHERE n.product_id IS NULL AND n.kind = 'product' AND {not_owned}
        AND NOT EXISTS (SELECT 1 FROM chunk_references taken WHERE taken.product_id = p.id AND taken.kind = 'product')
        ORDER BY p.id, length(n.key), n.key
    ) found
    WHERE r.kind = 'product' AND r.key = found.key
"""
_SAME_SKU = "p.sku = n.sku"
_SAME_NAME = """
    n.sku IS NULL AND p.product_name = n.name AND (
        SELECT count(*) FROM products same WHERE same.source_website = :website AND same.product_name = n.name
    ) = 1
"""

# What its lines said to be gone was only a SKU or a name; now an id is met that may well be there.
_REVIVE = f"""
    UPDATE products p SET is_active = r.product_exists, updated_at = :now
    FROM chunk_references r
    WHERE p.id = r.product_id AND r.kind = 'product' AND p.is_active <> r.product_exists AND NOT {_PROPER}
"""

# A product for each of `wanted` (kind, key, sku, name, price, product_exists, place), in `made` by the SKU in `named`.
_MAKE = f"""
    named AS (
        SELECT *, CASE
            WHEN row_number() OVER (PARTITION BY wanted.sku ORDER BY kind, length(key), key) = 1 AND NOT EXISTS (
                SELECT 1 FROM products p WHERE p.source_website = :website AND p.sku = wanted.sku
            ) THEN wanted.sku
            ELSE {TOLD_APART.format(sku="wanted.sku", key="key")}
        END AS final_sku
        FROM wanted
    ), made AS (
        INSERT INTO products (product_name, price, sku, source_website, is_active, created_at, updated_at)
        SELECT name, coalesce(price, 0), final_sku, :website, product_exists, :now, :now FROM named ORDER BY place
        RETURNING id, sku, product_name, price
    )
"""
_CREATE = f"""
    WITH wanted AS (
        SELECT kind, key, coalesce(sku, fallback_sku) AS sku, name, price, product_exists, place
        FROM chunk_references WHERE product_id IS NULL
    ), {_MAKE}, noted AS (
        INSERT INTO renamed_products SELECT id, product_name, sku, true FROM made
    )
    UPDATE chunk_references r SET product_id = made.id
    FROM named JOIN made ON made.sku = named.final_sku
    WHERE r.kind = named.kind AND r.key = named.key
"""

_MET = """
    jsonb_build_object('met', jsonb_build_object(
        'name', {name}, 'sku', {sku}, 'fallback_sku', {fallback_sku}, 'price', {price}, 'exists', {exists}
    ))
"""
_TOLD = _MET.format(
    name="r.name", sku="r.sku", fallback_sku="r.fallback_sku", price="r.price", exists="r.product_exists"
)
_OLD, _NEW = "s.said #>> '{met,%s}'", "excluded.said #>> '{met,%s}'"
_BOTH = _MET.format(
    name=f"""
        (SELECT name FROM (VALUES ({_OLD % "name"}), ({_NEW % "name"})) AS told(name)
        WHERE name IS NOT NULL ORDER BY length(name) DESC, name LIMIT 1)
    """,
    sku=f"""greatest({_OLD % "sku"}, {_NEW % "sku"})""",
    fallback_sku=f"""greatest({_OLD % "fallback_sku"}, {_NEW % "fallback_sku"})""",
    price=f"""greatest(({_OLD % "price"})::numeric, ({_NEW % "price"})::numeric)""",
    exists=f"""coalesce(({_OLD % "exists"})::boolean, true) AND ({_NEW % "exists"})::boolean""",
)
_LINK = f"""
    INSERT INTO source_records AS s (source_website, kind, external_id, product_id, said, created_at)
    SELECT :website, r.kind, r.key, r.product_id, {_TOLD}, :now FROM chunk_references r WHERE r.product_id IS NOT NULL
    ON CONFLICT (source_website, kind, external_id) DO UPDATE SET
        product_id = excluded.product_id, said = s.said || {_BOTH}
    WHERE s.product_id IS DISTINCT FROM excluded.product_id
    OR (s.said -> 'met' IS DISTINCT FROM excluded.said -> 'met' AND s.said IS DISTINCT FROM s.said || {_BOTH})
"""

# A product without a record looks as its lines tell: those that name its id before those that do not.
_FOLLOW_LINES = f"""
    WITH told AS (
        SELECT DISTINCT ON (s.product_id) s.product_id, s.external_id AS key, s.said -> 'met' AS met
        FROM source_records s
        WHERE s.product_id IN (SELECT product_id FROM chunk_references) AND s.said ? 'met'
        AND NOT EXISTS (
            SELECT 1 FROM source_records known
            WHERE known.product_id = s.product_id AND known.content_hash IS NOT NULL
        )
        ORDER BY s.product_id, s.kind, length(s.external_id), s.external_id
    ), looks AS (
        SELECT product_id, met ->> 'name' AS name, coalesce((met ->> 'price')::numeric, 0) AS price,
            (met ->> 'exists')::boolean AS is_active, coalesce(met ->> 'sku', met ->> 'fallback_sku') AS sku,
            {TOLD_APART.format(sku="coalesce(met ->> 'sku', met ->> 'fallback_sku')", key="key")} AS told_apart
        FROM told
    ), noted AS (
        INSERT INTO renamed_products
        SELECT p.id, p.product_name, p.sku, true FROM looks JOIN products p ON p.id = looks.product_id
        WHERE (p.product_name, p.price, p.sku) IS DISTINCT FROM (looks.name, looks.price, looks.sku)
        UNION ALL
        SELECT p.id, looks.name, looks.sku, true FROM looks JOIN products p ON p.id = looks.product_id
        WHERE (p.product_name, p.price, p.sku) IS DISTINCT FROM (looks.name, looks.price, looks.sku)
    )
    UPDATE products p SET product_name = looks.name, price = looks.price, updated_at = :now,
        is_active = p.is_active AND looks.is_active,
        sku = CASE WHEN p.sku IN (looks.sku, looks.told_apart) OR EXISTS (
            SELECT 1 FROM products other WHERE other.source_website = :website AND other.sku = looks.sku
        ) THEN p.sku ELSE looks.sku END
    FROM looks
    WHERE p.id = looks.product_id AND ((p.product_name, p.price) IS DISTINCT FROM (looks.name, looks.price)
        OR (p.is_active AND NOT looks.is_active) OR p.sku NOT IN (looks.sku, looks.told_apart))
"""

# Looking up again

_CONCERNED = f"""
    CREATE TEMP TABLE moved_references ON COMMIT DROP AS
    SELECT s.id, s.external_id AS key, s.said -> 'met' AS met, s.product_id AS from_id,
        {_meaning("s.external_id")} AS to_id, {_PROPER} AS from_proper
    FROM (
        SELECT 'sku:' || sku AS key FROM renamed_products UNION SELECT 'name:' || name FROM renamed_products
    ) called
    JOIN source_records s ON s.source_website = :website AND s.kind = 'product_key' AND s.external_id = called.key
        AND s.content_hash IS NULL AND s.said ? 'met'
    JOIN products p ON p.id = s.product_id
"""
_STAYS = """
    DELETE FROM moved_references WHERE to_id = from_id OR (to_id IS NULL AND NOT from_proper)
"""
_HAS_MOVED = "SELECT EXISTS (SELECT 1 FROM moved_references)"
_MAKE_OWN = f"""
    WITH wanted AS (
        SELECT 'product_key' AS kind, key, coalesce(met ->> 'sku', met ->> 'fallback_sku') AS sku,
            met ->> 'name' AS name, (met ->> 'price')::numeric AS price,
            (met ->> 'exists')::boolean AS product_exists, id AS place
        FROM moved_references WHERE to_id IS NULL
    ), {_MAKE}
    UPDATE moved_references m SET to_id = made.id
    FROM named JOIN made ON made.sku = named.final_sku WHERE m.key = named.key
"""
_MOVE = (
    "DELETE FROM moved_references WHERE to_id IS NULL",
    # An order whose line is of another product has changed, for whoever asks for those `updated_since`.
    """
    WITH moved AS (
        UPDATE order_details d SET product_id = m.to_id, updated_at = :now
        FROM moved_references m WHERE d.product_id = m.from_id AND d.source_reference = m.key
        RETURNING d.order_id
    )
    UPDATE orders o SET updated_at = :now WHERE o.id IN (SELECT order_id FROM moved)
    """,
    "UPDATE source_records s SET product_id = m.to_id FROM moved_references m WHERE s.id = m.id",
    """
    UPDATE chunk_references r SET product_id = m.to_id FROM moved_references m
    WHERE r.kind = 'product_key' AND r.key = m.key
    """,
    # What a reference had of its own, and nothing uses any longer.
    """
    DELETE FROM products p USING moved_references m
    WHERE p.id = m.from_id AND NOT m.from_proper
    AND NOT EXISTS (SELECT 1 FROM source_records s WHERE s.product_id = p.id)
    AND NOT EXISTS (SELECT 1 FROM order_details d WHERE d.product_id = p.id)
    """,
)

# Lines that came without a price take their product's when its first record tells one, or when they find another
# product; and an order without a total is what its lines add up to.
_UNPRICED = """
    FROM order_details d JOIN products p ON p.id = d.product_id
    WHERE NOT d.is_priced AND d.unit_price <> p.price AND (
        d.product_id IN (SELECT product_id FROM renamed_products WHERE reprices)
        OR EXISTS (SELECT 1 FROM moved_references m WHERE m.to_id = d.product_id AND m.key = d.source_reference)
    )
"""
_HAS_UNPRICED = f"SELECT EXISTS (SELECT 1 {_UNPRICED})"
_PRICE = (
    f"CREATE TEMP TABLE priced_lines ON COMMIT DROP AS SELECT d.id, d.order_id {_UNPRICED}",
    """
    UPDATE order_details d SET unit_price = p.price, total_price = d.quantity * p.price, updated_at = :now
    FROM products p WHERE p.id = d.product_id AND d.id IN (SELECT id FROM priced_lines)
    """,
    """
    UPDATE orders o SET updated_at = :now, total_amount = CASE WHEN EXISTS (
            SELECT 1 FROM source_records s WHERE s.order_id = o.id AND s.said ? 'is_summed'
        ) THEN sums.total - o.discount_total + o.shipping_total + o.fee_total
            + CASE WHEN o.tax_included THEN 0 ELSE o.tax_total END
        ELSE o.total_amount END
    FROM (
        SELECT d.order_id, sum(d.total_price) AS total FROM order_details d
        WHERE d.order_id IN (SELECT order_id FROM priced_lines) GROUP BY d.order_id
    ) sums
    WHERE o.id = sums.order_id
    """,
)

_FILL_LINES = """
    UPDATE chunk_lines l SET product_id = r.product_id FROM chunk_references r WHERE r.kind = l.kind AND r.key = l.key
"""


async def merge_line_products(chunk: Chunk) -> None:
    """Leaves `chunk_lines.product_id` filled. Needs the product records merged, and `renamed_products` of them."""
    await chunk.run_all(*_LAY_OUT, *_GATHER)
    for matches in (_SAME_SKU, _SAME_NAME):
        await chunk.run(_ADOPT.format(matches=matches, not_owned=NOT_OWNED.format(key="n.key")))
    await chunk.run_all(_REVIVE, _LOOK_UP)
    chunk.imply("products", (await chunk.run(_CREATE)).rowcount)
    await chunk.run_all(_LINK, _FOLLOW_LINES)
    await follow_parents(chunk)
    await _look_up_again(chunk)
    await chunk.run(_FILL_LINES)
    # Until now the statistics say that no line has a product, and the lines' insert would be planned for one row.
    await chunk.run("ANALYZE chunk_lines (position, kind, key, product_id)")


async def _look_up_again(chunk: Chunk) -> None:
    await chunk.run_all(_CONCERNED, _STAYS)
    if (await chunk.run(_HAS_MOVED)).scalar_one():
        await chunk.run_all(_MAKE_OWN, *_MOVE)
    if (await chunk.run(_HAS_UNPRICED)).scalar_one():
        await chunk.run_all(*_PRICE)
