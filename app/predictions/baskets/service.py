"""What is bought together with a product, and with what is in a basket already.

A pair's score is its confidence, shrunk where few baskets tell of it, times the logarithm of its lift:
n_ab / (n_a + 10) * ln(n_ab * N / (n_a * n_b)), where N is the number of baskets of the website. Confidence alone
recommends what everybody buys, and lift alone what was bought once. For a basket the scores with its products are
added up as lengths at right angles are, by their squares: a plain sum lets many weak ties outweigh a strong one, and
finds fewer of the products that were left out of real baskets.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Row, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.utils.errors import NotFound, Unprocessable

# A website has at least the baskets that its product is in: orders may be entered under another website's name.
# What is no longer sold is left out at the end: the best ones are few, and all the others need not be looked up.
_SUGGEST = text(
    """
    WITH given AS MATERIALIZED (
        SELECT p.id, p.source_website, coalesce(c.baskets, 0) AS baskets,
            greatest(t.baskets, c.baskets, 0) AS website_baskets
        FROM products p
        LEFT JOIN product_counts c ON c.product_id = p.id
        LEFT JOIN basket_totals t ON t.website = p.source_website
        WHERE p.id = ANY(:product_ids)
    ), pairs AS (
        SELECT r.other_id AS id, g.id AS bought_with, g.source_website, r.baskets,
            r.baskets / (g.baskets + 10.0::float8) AS shrunk_confidence,
            r.baskets / g.website_baskets::float8 AS support,
            r.baskets / g.baskets::float8 AS confidence,
            r.baskets::float8 * g.website_baskets / (g.baskets::float8 * o.baskets) AS lift
        FROM given g
        JOIN product_pairs r ON r.product_id = g.id
        JOIN product_counts o ON o.product_id = r.other_id
        WHERE r.other_id <> ALL(:product_ids)
    ), scored AS (
        SELECT *, shrunk_confidence * ln(lift) AS score FROM pairs WHERE lift > 1
    ), candidates AS (
        SELECT DISTINCT ON (id, source_website) id, bought_with, source_website, baskets, support, confidence, lift,
            sqrt(sum(score * score) OVER (PARTITION BY id, source_website)) AS score
        FROM scored ORDER BY id, source_website, scored.score DESC, bought_with
    )
    SELECT s.counted_at, about.*, best.*
    FROM (
        SELECT ARRAY(SELECT unnest(:product_ids) EXCEPT SELECT id FROM given ORDER BY 1) AS unknown,
            (SELECT max(baskets) FROM given) AS product_baskets,
            (SELECT max(website_baskets) FROM given) AS website_baskets
    ) about
    LEFT JOIN basket_state s ON true
    LEFT JOIN LATERAL (
        SELECT c.*, p.sku, p.product_name, p.price, p.is_active
        FROM (SELECT * FROM candidates ORDER BY score DESC, id OFFSET 0) c
        JOIN products p ON p.id = c.id AND p.source_website = c.source_website AND p.is_active
        ORDER BY c.score DESC, c.id LIMIT :limit
    ) best ON true
    """
).bindparams(bindparam("product_ids", type_=ARRAY(BigInteger)), bindparam("limit", type_=BigInteger))

_PRODUCT = ("id", "sku", "product_name", "price", "is_active")
_FIGURES = ("score", "bought_with", "baskets", "support", "confidence", "lift")


async def bought_together(session: AsyncSession, product_id: int, limit: int) -> dict[str, Any]:
    """What is bought with the product, the best first, as of the last count. Raises NotFound."""
    rows = await _suggest(session, [product_id], limit)
    if rows[0].unknown:
        raise NotFound(f"There is no product {product_id}.")
    return {
        "product_id": product_id,
        "counted_at": rows[0].counted_at,
        "baskets": rows[0].product_baskets,
        "website_baskets": rows[0].website_baskets,
        "items": _to_items(rows),
    }


async def suggest_for_basket(session: AsyncSession, product_ids: Sequence[int], limit: int) -> dict[str, Any]:
    """What goes with the products of a basket, the best first, as of the last count. Raises Unprocessable.

    Of products of several websites each is scored within its own.
    """
    rows = await _suggest(session, product_ids, limit)
    if unknown := rows[0].unknown:
        index = list(product_ids).index(unknown[0])
        raise Unprocessable(f"There is no product {unknown[0]}.", field=f"product_ids.{index}")
    return {"counted_at": rows[0].counted_at, "items": _to_items(rows)}


async def _suggest(session: AsyncSession, product_ids: Sequence[int], limit: int) -> Sequence[Row[Any]]:
    """At least one row, which tells of no product where there is none to tell of."""
    parameters = {"product_ids": list(product_ids), "limit": limit}
    return (await session.execute(_SUGGEST, parameters)).all()


def _to_items(rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    found = [row._mapping for row in rows if row.id is not None]
    return [
        {"product": {name: row[name] for name in _PRODUCT}} | {name: row[name] for name in _FIGURES} for row in found
    ]
