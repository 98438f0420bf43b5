"""A million orders to read from, made by PostgreSQL itself and the same at every run.

`shop` has six tenths of the orders, `market` three and `outlet` one. Consumers buy unevenly: a few very often, and all
the time; or they come and go, as those do whom something is to be predicted of.
"""

from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import create_engine, text

USERS, PRODUCTS, ORDERS, LINES = 100_000, 20_000, 1_000_000, 2_500_000
WEBSITES = ("shop", "market", "outlet")
DAYS = 1_500
LAST_DAY = date(2022, 1, 1) + timedelta(days=DAYS - 1)


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

# Of the ten that come together, one makes nearly half of the orders. They come evenly over the time, and the longer ago
# that was, the more seldom they buy: the age of who buys is a share of the time so far that is small more often.
_FEW_VERY_OFTEN = f"1 + floor(:users * power({_spread('n', 10)} / 2147483648.0, 2))::bigint"
_COMING_AND_GOING = f"""
    1 + 10 * floor(:users / 10 * ((n - 1)::float8 / :orders)
        * (1 - power({_spread("n", 10)} / 2147483648.0, 2)))::bigint
    + floor(10 * power({_spread("n", 15)} / 2147483648.0, 3))::bigint
"""
_FIRST = "(ARRAY['Jane','Ali','Mei','Omar','Lucía','Noor','Tom','Ayşe','Igor','Anna','Kofi','Rosa'])"
_LAST = "(ARRAY['Doe','Kaya','Chen','Haddad','García','Smith','Brown','Yılmaz','Petrov','Nowak','Mensah','Rossi'])"

STATEMENTS = (
    "INSERT INTO websites (name, currency) VALUES ('shop', 'EUR'), ('market', 'USD'), ('outlet', 'GBP')",
    f"""
    INSERT INTO users (name, phone, email, type, source_website, is_active, created_at, updated_at)
    SELECT {_FIRST}[1 + {_spread('n', 2)} % 12] || ' ' || {_LAST}[1 + {_spread('n', 3)} % 12],
        '+49' || 1000000 + n, 'consumer' || n || '@example.com',
        CASE WHEN {_spread('n', 4)} % 4 = 0 THEN 'guest' ELSE 'consumer' END, {_WEBSITE}, n % 50 <> 0, at, at
    FROM generate_series(1, :users) n,
        LATERAL (SELECT timestamptz '2022-01-01 UTC' + n * (interval '25000 hours' / :users) AS at)
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
        LATERAL (SELECT timestamptz '2022-01-01 UTC' + n * (interval '20000 hours' / :products) AS at)
    """,
    f"""
    INSERT INTO orders (order_number, user_id, total_amount, status, source_website, placed_at, currency,
        shipping_total, created_at, updated_at)
    SELECT 'N' || n, {{buyer}},
        5 + {_spread('n', 11)} % 50000 / 100.0,
        (ARRAY['delivered','delivered','delivered','delivered','delivered','shipped','shipped','confirmed','pending',
               'cancelled'])[1 + {_spread('n', 12)} % 10],
        website, at, CASE website WHEN 'shop' THEN 'EUR' WHEN 'market' THEN 'USD' ELSE 'GBP' END, 4.90, at, at
    FROM generate_series(1, :orders) n,
        LATERAL (SELECT {_WEBSITE} AS website,
            timestamptz '2022-01-01 UTC' + n * (interval '{DAYS} days' / :orders) AS at)
    """,
    f"""
    INSERT INTO order_details (order_id, product_id, quantity, unit_price, total_price)
    SELECT 1 + (n - 1) % :orders, 1 + floor(:products * power({_spread('n', 13)} / 2147483648.0, 2))::bigint,
        1 + {_spread('n', 14)} % 3, 10, 10 * (1 + {_spread('n', 14)} % 3)
    FROM generate_series(1, :lines) n
    """,
)  # fmt: skip


def fill(url: str, size: Size = Size(), *, come_and_go: bool = False) -> None:
    """Into empty, migrated tables, with their indexes in place; statistics are fresh afterwards."""
    buyer = _COMING_AND_GOING if come_and_go else _FEW_VERY_OFTEN
    engine = create_engine(url)
    with engine.begin() as connection:
        # Every id that is written exists: checking each of six million would only cost time.
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in STATEMENTS:
            connection.execute(text(statement.replace("{buyer}", buyer)), vars(size))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    engine.dispose()
