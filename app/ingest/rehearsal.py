"""What a dry run would change, field by field: rows as its transaction sees them beside rows as everybody else does."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Database
from app.ingest.merge.chunk import Chunk
from app.orders.models import Order, OrderDetail
from app.orders.schemas import OrderRead
from app.products.models import Product
from app.products.schemas import ProductRead
from app.users.models import User, UserAddress
from app.users.schemas import UserRead, hide_placeholder

MOST_CHANGES = 20
BATCH = 100

Row = tuple[str, int]
"""A table of ours and an id."""
Fields = dict[str, Any]

# The records that changed a row they found, with the row. A returned line is kept as a refund.
_CHANGED = """
    SELECT r.place, c.kind, c.key, s.user_id, s.product_id, s.order_id
    FROM chunk c
    JOIN import_records r ON r.import_id = :import_id AND r.position = c.position
    JOIN source_records s ON s.source_website = :website
        AND s.kind = CASE c.kind WHEN 'return' THEN 'refund' ELSE c.kind END
        AND s.external_id = CASE c.kind WHEN 'return' THEN 'return:' || c.key ELSE c.key END
    WHERE c.outcome IN ('updated', 'merged')
    ORDER BY c.position
"""
# All that a refund changes of its order.
_OF_REFUNDS = ("refunded_total",)


@dataclass
class Rehearsal:
    """Collects the first changes of rows that were there before; `changes` are `schemas.Change`s as JSON."""

    database: Database
    changes: list[Fields] = field(default_factory=list)
    _last_seen: dict[Row, Fields] = field(default_factory=dict)
    """As the last listed change left it: another record may change the same row further."""

    async def note_changes(self, chunk: Chunk) -> None:
        """Needs the chunk's temporary tables."""
        if len(self.changes) >= MOST_CHANGES:
            return
        records = iter((await chunk.run(_CHANGED)).all())
        while len(self.changes) < MOST_CHANGES and (batch := list(islice(records, BATCH))):
            wanted = [row for record in batch if (row := _find_row(record))]
            async with self.database.reads() as session:
                before = await _read_rows(session, wanted)
            after = await _read_rows(chunk.session, wanted)
            for record in batch:
                self._compare(record, before, after)

    def _compare(self, record: Any, before: dict[Row, Fields], after: dict[Row, Fields]) -> None:
        row = _find_row(record)
        # What others do not see was made by this very dry run.
        if row is None or row not in before or row not in after or len(self.changes) >= MOST_CHANGES:
            return
        now, then = self._last_seen.get(row, before[row]), after[row]
        names = _OF_REFUNDS if record.kind in {"refund", "return"} else tuple(then)
        fields = {name: [now[name], then[name]] for name in names if now[name] != then[name]}
        if fields:
            self._last_seen[row] = now | {name: then[name] for name in fields}
            self.changes.append({"place": record.place, "kind": record.kind, "key": record.key, "fields": fields})


def _find_row(record: Any) -> Row | None:
    for table, row_id in (("users", record.user_id), ("products", record.product_id), ("orders", record.order_id)):
        if row_id is not None:
            return table, row_id
    return None  # a refund that waits for its order


async def _read_rows(session: AsyncSession, rows: Iterable[Row]) -> dict[Row, Fields]:
    """Rows as the API shows them, without ids of ours and times of writing."""
    found: dict[Row, Fields] = {}
    for table, read in (("users", _read_consumers), ("products", _read_products), ("orders", _read_orders)):
        ids = sorted({row_id for name, row_id in rows if name == table})
        if ids:
            found |= {(table, row_id): fields for row_id, fields in (await read(session, ids)).items()}
    return found


_NOT_SHOWN = {"id", "user_id", "created_at", "updated_at"}


async def _read_consumers(session: AsyncSession, ids: Sequence[int]) -> dict[int, Fields]:
    users = await session.execute(select(*User.__table__.columns).where(User.id.in_(ids)))
    found = {
        row.id: UserRead.model_validate(row).model_dump(mode="json", exclude=_NOT_SHOWN | {"source_website"})
        | {"addresses": []}
        for row in users
    }
    addresses = select(*UserAddress.__table__.columns).where(UserAddress.user_id.in_(ids)).order_by(UserAddress.id)
    for row in await session.execute(addresses):
        shown = [row.country, row.city, row.district, row.address, row.is_default]
        if row.user_id in found:
            found[row.user_id]["addresses"].append(shown)
    return found


async def _read_products(session: AsyncSession, ids: Sequence[int]) -> dict[int, Fields]:
    products = await session.execute(select(*Product.__table__.columns).where(Product.id.in_(ids)))
    return {row.id: ProductRead.model_validate(row).model_dump(mode="json", exclude=_NOT_SHOWN) for row in products}


async def _read_orders(session: AsyncSession, ids: Sequence[int]) -> dict[int, Fields]:
    orders = select(*Order.__table__.columns, User.email).join(User, User.id == Order.user_id).where(Order.id.in_(ids))
    found = {}
    for row in await session.execute(orders):
        order = {name: value for name, value in row._mapping.items() if name != "email"}
        shown = OrderRead.model_validate(order).model_dump(mode="json", exclude=_NOT_SHOWN)
        found[row.id] = shown | {"email": hide_placeholder(row.email), "lines": []}
    lines = (
        select(OrderDetail.order_id, Product.sku, OrderDetail.quantity, OrderDetail.unit_price, OrderDetail.total_price)
        .join(Product, Product.id == OrderDetail.product_id)
        .where(OrderDetail.order_id.in_(ids))
        .order_by(OrderDetail.id)
    )
    for line in await session.execute(lines):
        shown_line = [line.sku, line.quantity, _money(line.unit_price), _money(line.total_price)]
        if line.order_id in found:
            found[line.order_id]["lines"].append(shown_line)
    return found


def _money(amount: Decimal) -> str:
    return f"{amount:.2f}"
