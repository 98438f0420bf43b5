"""What every format turns its payloads into. A record is valid by construction: text fits its column, money its type.

`kind` and `key` say what the record is on its website (see `SourceKind`): its own id where it has one.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from hashlib import blake2b
from typing import Any, Literal

import orjson

from app.orders.models import OrderStatus
from app.websites.models import SourceKind


@dataclass(slots=True, kw_only=True)
class AddressRecord:
    country: str
    city: str
    district: str | None
    address: str
    is_default: bool = False


@dataclass(slots=True, kw_only=True)
class ConsumerRecord:
    """`via` is 'account' for the consumer's own record, 'order' for what an order tells of its consumer."""

    kind: SourceKind
    key: str
    email: str | None
    name: str
    phone: str
    via: Literal["account", "order"]
    updated_at: datetime | None = None
    addresses: list[AddressRecord] = field(default_factory=list)


def identify_consumer(account: str | None, email: str | None, order_key: str) -> tuple[SourceKind, str]:
    """Who an order's consumer is: the account it names, else a guest known by e-mail, else nobody but this order's."""
    if account:
        return SourceKind.CONSUMER, account
    if email:
        return SourceKind.GUEST, email
    return SourceKind.ANONYMOUS, order_key


@dataclass(slots=True, kw_only=True)
class ProductRecord:
    """`name` is the full name, as the website writes it in an order line: "Hoodie - Blue, No".

    `own_name` is false where the name has still to be built from the parent's: then it holds the options only.
    `alias` is the key that the same product has in a file without ids.
    `parent_key` is the product of a variation, which has a name and a price of its own. `group_key` is a product that
    is nothing but its variants: they are gone with it.
    `fallback_sku` serves where `sku` is missing or taken. A `price` of None means the parent's, else 0.
    """

    kind: SourceKind
    key: str
    name: str
    sku: str | None
    fallback_sku: str
    price: Decimal | None
    own_name: bool = True
    alias: str | None = None
    parent_key: str | None = None
    group_key: str | None = None
    barcode: str | None = None
    variant: str | None = None
    stock_quantity: int | None = None
    is_active: bool = True
    updated_at: datetime | None = None


@dataclass(slots=True, kw_only=True)
class LineRecord:
    """`product_key` is the website's product or variation id; without one the SKU finds the product, else the name.

    `total_price` is before the order's discounts. `unit_price` and `total_price` are None where the file has no
    price. `product_exists` is false where the website says that the product is gone.
    """

    product_key: str | None
    sku: str | None
    name: str
    fallback_sku: str
    quantity: int
    unit_price: Decimal | None
    total_price: Decimal | None
    product_exists: bool = True


@dataclass(slots=True, kw_only=True)
class RefundRecord:
    key: str
    order_key: str
    amount: Decimal
    created_at: datetime | None = None
    kind: Literal[SourceKind.REFUND] = SourceKind.REFUND


@dataclass(slots=True, kw_only=True)
class ReturnRecord:
    """A line that gives goods back, and does not say of which order. Who and what is found as in an `OrderRecord`.

    `consumer_kind` and `consumer_key` are as `identify_consumer` has them. Without product_key, sku and name it is of
    no product. `amount` is what the goods cost, 0 or more.
    """

    key: str
    placed_at: datetime
    consumer_kind: SourceKind
    consumer_key: str
    email: str | None
    product_key: str | None
    sku: str | None
    name: str | None
    amount: Decimal
    kind: Literal[SourceKind.RETURN] = SourceKind.RETURN


@dataclass(slots=True, kw_only=True)
class OrderRecord:
    """`total_amount` is None where the website gives none; then it is what the ledger adds up to.

    `status` is None where the format does not know the website's word for it, which `source_status` is.

    `refunds` are the refunds the payload lists, by their ids; a file without ids gives `refunded_total` instead.
    """

    kind: SourceKind
    key: str
    order_number: str
    consumer: ConsumerRecord
    lines: list[LineRecord]
    status: OrderStatus | None
    source_status: str | None
    placed_at: datetime | None
    currency: str | None
    total_amount: Decimal | None
    discount_total: Decimal = Decimal(0)
    shipping_total: Decimal = Decimal(0)
    tax_total: Decimal = Decimal(0)
    fee_total: Decimal = Decimal(0)
    refunded_total: Decimal | None = None
    refunds: list[RefundRecord] = field(default_factory=list)
    tax_included: bool = False
    is_test: bool = False
    updated_at: datetime | None = None


Record = ConsumerRecord | ProductRecord | OrderRecord | RefundRecord | ReturnRecord


Lines = Mapping[str, int]
"""What became of the rows of a record made of several: how many by each rule, such as {"taken": 3, "return": 1}."""


@dataclass(slots=True)
class Parsed:
    """A record with the place it stood at ("row 12", "record 3") and what had to be mended."""

    place: str
    record: Record
    warnings: Sequence[str] = ()
    lines: Lines | None = None
    payload_hash: bytes | None = None


@dataclass(slots=True)
class Rejected:
    place: str
    kind: str
    reason: str
    raw: str
    lines: Lines | None = None


@dataclass(slots=True)
class Skipped:
    """Left out by a rule, such as a cart that never became an order."""

    place: str
    rule: str
    lines: Lines | None = None


Item = Parsed | Rejected | Skipped


@dataclass(slots=True)
class Unread:
    """A payload with what makes an item of it. The same payload, read in the same way, always makes the same."""

    place: str
    raw: Any
    build: Callable[[], Item]
    payload_hash: bytes | None = None


@dataclass(slots=True)
class Repeated:
    """A payload that need not be read: the record it made, which is still as it made it."""

    place: str
    kind: str
    key: str
    content_hash: bytes


# In JSON a quotation mark within a text has a backslash before it, so this is never a part of one.
_DATED = re.compile(rb'"updated_at":(?:null|"[^"]*")')


def encode(record: Record) -> tuple[bytes, bytes]:
    """The record as JSON, and the hash by which an unchanged one is known, whatever date it has now."""
    encoded = orjson.dumps(record, default=_encode_decimal, option=orjson.OPT_UTC_Z)
    return encoded, blake2b(_DATED.sub(b"", encoded), digest_size=16).digest()


def _encode_decimal(value: Any) -> str:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(type(value))
