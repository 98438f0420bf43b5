"""A million orders to read from, made by PostgreSQL itself and the same at every run.

`shop` has six tenths of the orders, `market` three and `outlet` one. Consumers buy unevenly: a few very often.
"""

from dataclasses import dataclass

from sqlalchemy import create_engine, text

USERS, PRODUCTS, ORDERS, LINES = 100_000, 20_000, 1_000_000, 2_500_000
WEBSITES = ("shop", "market", "outlet")


@dataclass(frozen=True)
class Size:
    users: int = USERS
    products: int = PRODUCTS
    orders: int = ORDERS
    lines: int = LINES


# hashint8 spreads a row's number over 32 bits, the same on every machine.
_SPREAD = "(hashint8extended({n}, {seed}) & 2147483647)"


def _spread(n: str, seed: int) -> str:
    return _SPREAD.format(n=n, seed=seed)


_SHARES = "ARRAY['shop','shop','shop','shop','shop','shop','market','market','market','outlet']"
_WEBSITE = f"({_SHARES})[1 + {_spread('n', 1)} % 10]"
_FIRST = "(ARRAY['Jane','Ali','Mei','Omar','Lucía','Noor','Tom','Ayşe','Igor','Anna','Kofi','Rosa'])"
_LAST = "(ARRAY['Doe','Kaya','Chen','Haddad','García','Smith','Brown','Yılmaz','Petrov','Nowak','Mensah','Rossi'])"

STATEMENTS = (
    "INSERT INTO websites (name, currency) VALUES ('shop', 'EUR'), ('market', 'USD'), ('outlet', 'GBP')",
    f"""
    INSERT INTO users (name, phone, email, type, source_website, is_active, created_at, updated_at)
    SELECT {_FIRST}[1 + {_spread('n', 2)} % 12] || ' ' || {_LAST}[1 + {_spread('n', 3)} % 12],
        '+49' || 1000000 + n, 'consumer' || n || '@example.com',
        CASE WHEN {_spread('n', 4)} % 4 = 0 THEN 'guest' ELSE 'consumer' END, {_WEBSITE}, n % 50 <> 0, at, at
    FROM generate_series(1, :users) n, LATERAL (SELECT timestamptz '2022-01-01 UTC' + n * interval '15 minutes' AS at)
    """,
    """
    INSERT INTO source_records (source_website, kind, external_id, user_id)
    SELECT source_website, 'consumer', id::text, id FROM users
    """,
    f"""
    INSERT INTO user_addresses (user_id, country, city, address, is_default)
    SELECT id, (ARRAY['DE','US','GB','TR','FR'])[1 + {_spread('id', 5)} % 5],
        'City ' || {_spread('id', 6)} % 500, 'Street ' || id, true
    FROM users
    """,
    f"""
    INSERT INTO products (product_name, barcode, price, sku, variant, source_website, is_active, stock_quantity,
        created_at, updated_at)
    SELECT (ARRAY['Mug','Towel','Lamp','Chair','Shirt','Bowl','Knife','Scarf'])[1 + {_spread('n', 7)} % 8] || ' ' || n,
        (4000000000000 + n)::text, 1 + {_spread('n', 8)} % 20000 / 100.0, 'SKU-' || n, 'Colour: blue', {_WEBSITE},
        n % 50 <> 0, {_spread('n', 9)} % 200, at, at
    FROM generate_series(1, :products) n,
        LATERAL (SELECT timestamptz '2022-01-01 UTC' + n * interval '1 hour' AS at)
    """,
    f"""
    INSERT INTO orders (order_number, user_id, total_amount, status, source_website, placed_at, currency,
        shipping_total, created_at, updated_at)
    SELECT 'N' || n, 1 + floor(:users * power({_spread('n', 10)} / 2147483648.0, 2))::bigint,
        5 + {_spread('n', 11)} % 50000 / 100.0,
        (ARRAY['delivered','delivered','delivered','delivered','delivered','shipped','shipped','confirmed','pending',
               'cancelled'])[1 + {_spread('n', 12)} % 10],
        website, at, CASE website WHEN 'shop' THEN 'EUR' WHEN 'market' THEN 'USD' ELSE 'GBP' END, 4.90, at, at
    FROM generate_series(1, :orders) n,
        LATERAL (SELECT {_WEBSITE} AS website,
            timestamptz '2022-01-01 UTC' + n * (interval '1500 days' / :orders) AS at)
    """,
    f"""
    INSERT INTO order_details (order_id, product_id, quantity, unit_price, total_price)
    SELECT 1 + (n - 1) % :orders, 1 + floor(:products * power({_spread('n', 13)} / 2147483648.0, 2))::bigint,
        1 + {_spread('n', 14)} % 3, 10, 10 * (1 + {_spread('n', 14)} % 3)
    FROM generate_series(1, :lines) n
    """,
)  # fmt: skip


def fill(url: str, size: Size = Size()) -> None:
    """Into empty, migrated tables, with their indexes in place; statistics are fresh afterwards."""
    engine = create_engine(url)
    with engine.begin() as connection:
        # Every id that is written exists: checking each of six million would only cost time.
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in STATEMENTS:
            connection.execute(text(statement), vars(size))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    engine.dispose()
