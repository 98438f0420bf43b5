"""What the API is measured against: Starlette, psycopg and orjson by hand, without models, validation or sessions.

It answers the same bytes for a page of orders, an order and a new order, after the same token check, with the same
statements. It does nothing else: no request ids, no logs, no errors that say what is wrong.
"""

import os
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import jwt
import orjson
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

ORDER = """
    id, order_number, user_id, total_amount, status, source_website, placed_at, currency, discount_total,
    shipping_total, tax_total, fee_total, refunded_total, tax_included, reconciles, source_status, is_test, created_at,
    updated_at
"""
PAGE = f"SELECT {ORDER} FROM orders WHERE source_website = %s ORDER BY placed_at DESC, id DESC LIMIT %s"
MATCHES = "SELECT 1 FROM orders WHERE source_website = %s"
EXACT_UP_TO = 10_000
DETAILS = """
    SELECT d.id, order_id, product_id, sku, product_name, quantity, unit_price, total_price, d.created_at, d.updated_at
    FROM order_details d JOIN products p ON p.id = product_id WHERE order_id = %s ORDER BY d.id
"""
NEW_ORDER = f"""
    INSERT INTO orders (order_number, user_id, total_amount, status, source_website, placed_at, currency, created_at,
        updated_at)
    VALUES (%s, %s, %s, 'pending', %s, %s, %s, %s, %s) RETURNING {ORDER}
"""
NEW_DETAILS = """
    INSERT INTO order_details (order_id, product_id, quantity, unit_price, total_price, created_at, updated_at)
    SELECT %s, product_id, quantity, unit_price, unit_price * quantity, %s, %s
    FROM unnest(%s::bigint[], %s::int[], %s::numeric[]) AS line (product_id, quantity, unit_price)
    RETURNING id, order_id, product_id, quantity, unit_price, total_price, created_at, updated_at
"""

pool: AsyncConnectionPool[Any]
admins: dict[int, float] = {}
estimates: dict[str, tuple[int, float]] = {}


def write(value: Any) -> bytes:
    return orjson.dumps(value, default=str, option=orjson.OPT_UTC_Z)


def is_admin_known(admin_id: int) -> bool:
    return admins.get(admin_id, 0) > time.monotonic()


async def find_admin(request: Request) -> int:
    """The same as the API: the signature of every token, and the admin at most once in three seconds."""
    token = request.headers["authorization"].removeprefix("Bearer ")
    claims = jwt.decode(
        token, os.environ["SECRET_KEY"], algorithms=["HS256"], options={"require": ["sub", "exp", "iat"]}
    )
    admin_id = int(claims["sub"])
    if not is_admin_known(admin_id):
        async with pool.connection() as connection:
            found = await connection.execute("SELECT 1 FROM admin_users WHERE id = %s AND is_active", [admin_id])
            assert await found.fetchone()
        admins[admin_id] = time.monotonic() + 3
    return admin_id


async def list_orders(request: Request) -> Response:
    await find_admin(request)
    website, size = request.query_params["source_website"], int(request.query_params.get("size", 50))
    async with pool.connection() as connection:
        rows = await (await connection.execute(PAGE, [website, size + 1])).fetchall()
        total, expires = estimates.get(website, (0, 0.0))
        if not (estimated := expires > time.monotonic()):
            counted = await connection.execute(
                f"SELECT count(*) AS number FROM ({MATCHES} LIMIT {EXACT_UP_TO + 1}) AS found", [website]
            )
            total = (await counted.fetchone() or {})["number"]
            if estimated := total > EXACT_UP_TO:
                plan = await (await connection.execute(f"EXPLAIN (FORMAT JSON) {MATCHES}", [website])).fetchone() or {}
                total = max(total, plan["QUERY PLAN"][0]["Plan"]["Plan Rows"])
                estimates[website] = total, time.monotonic() + 5
    items = rows[:size]
    answer = {
        "items": items,
        "total": total,
        "total_is_estimate": estimated,
        "page": 1,
        "size": size,
        "pages": None if estimated else -(-total // size),
        "next_cursor": f"{items[-1]['placed_at']}/{items[-1]['id']}" if len(rows) > size else None,
    }
    return Response(write(answer), media_type="application/json")


async def get_order(request: Request) -> Response:
    await find_admin(request)
    order_id = int(request.path_params["order_id"])
    async with pool.connection() as connection:
        order = await (await connection.execute(f"SELECT {ORDER} FROM orders WHERE id = %s", [order_id])).fetchone()
        if order is None:
            return Response(status_code=404)
        user = await connection.execute("SELECT id, name FROM users WHERE id = %s", [order["user_id"]])
        order["user"] = await user.fetchone()
        order["details"] = await (await connection.execute(DETAILS, [order_id])).fetchall()
    return Response(write(order), media_type="application/json")


async def create_order(request: Request) -> Response:
    await find_admin(request)
    given = orjson.loads(await request.body())
    now = datetime.now(UTC)
    product_ids = [line["product_id"] for line in given["details"]]
    quantities = [line["quantity"] for line in given["details"]]
    async with pool.connection() as connection, connection.transaction():
        user = await (
            await connection.execute("SELECT id, name FROM users WHERE id = %s AND is_active", [given["user_id"]])
        ).fetchone()
        found = await connection.execute(
            "SELECT id, price, sku, product_name FROM products WHERE id = ANY(%s) AND is_active", [product_ids]
        )
        products = {product["id"]: product for product in await found.fetchall()}
        if user is None or len(products) < len(set(product_ids)):
            return Response(status_code=422)
        await connection.execute(
            "INSERT INTO websites (name, created_at) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            [given["source_website"], now],
        )
        website = await connection.execute("SELECT currency FROM websites WHERE name = %s", [given["source_website"]])
        currency = (await website.fetchone() or {})["currency"] or "USD"
        prices = [products[product_id]["price"] for product_id in product_ids]
        total = sum((price * quantity for price, quantity in zip(prices, quantities, strict=True)), Decimal(0))
        number = f"EP-{secrets.token_hex(8)}"
        values = [number, user["id"], total, given["source_website"], now, currency, now, now]
        order: Any = await (await connection.execute(NEW_ORDER, values)).fetchone()
        lines = await connection.execute(NEW_DETAILS, [order["id"], now, now, product_ids, quantities, prices])
        order["user"] = user
        order["details"] = [
            line | {name: products[line["product_id"]][name] for name in ("sku", "product_name")}
            for line in await lines.fetchall()
        ]
    return Response(write(order), status_code=201, media_type="application/json")


async def receive_webhook(request: Request) -> Response:
    body = await request.body()
    async with pool.connection() as connection:
        await connection.execute(
            "INSERT INTO kept_webhooks (topic, body) VALUES (%s, %s)", [request.headers["x-wc-webhook-topic"], body]
        )
    return Response(b'{"status":"stored"}', media_type="application/json")


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    global pool
    url = os.environ["DATABASE_URL"].replace("postgresql+psycopg://", "postgresql://")
    options = {"row_factory": dict_row, "autocommit": True}
    async with AsyncConnectionPool(url, min_size=10, max_size=20, kwargs=options) as pool:
        async with pool.connection() as connection:
            await connection.execute("CREATE TABLE IF NOT EXISTS kept_webhooks (topic text, body bytea)")
        yield


app = Starlette(
    routes=[
        Route("/api/v1/orders", list_orders),
        Route("/api/v1/orders", create_order, methods=["POST"]),
        Route("/api/v1/orders/{order_id:int}", get_order),
        Route("/api/v1/webhooks/{website}", receive_webhook, methods=["POST"]),
    ],
    lifespan=lifespan,
)
