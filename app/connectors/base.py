"""What a connector is: a reader of one store, for the sync engine."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, Protocol

Payload = dict[str, Any]
Position = dict[str, Any]
"""Where a reader stands, as JSON: what it yields with a page is where it goes on after that page."""
Resource = Literal["customers", "products", "orders"]
RESOURCES: tuple[Resource, ...] = ("customers", "products", "orders")


@dataclass(frozen=True)
class Raw:
    """A payload and what it is, in the words of its platform's format."""

    kind: str
    payload: Payload


@dataclass
class Page:
    """`total` is how many records the whole reading has, where the store tells. `at` is the store's own clock."""

    raws: list[Raw]
    position: Position
    at: datetime
    total: int | None = None
    children: dict[str, list[str]] = field(default_factory=dict)
    """By the id of each product that has them: the ids of all its variations."""

    @property
    def size(self) -> int:
        return len(self.raws)


@dataclass(frozen=True)
class StoreInfo:
    """What a store tells of itself; `traits` is what its connector wants to know again the next time."""

    name: str
    currency: str | None
    time_zone: str | None
    version: str | None
    traits: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Listed:
    """One record as the store lists it; None is what it does not tell, or what only orders have."""

    external_id: str
    status: str | None = None
    currency: str | None = None
    total: Decimal | None = None
    placed_at: datetime | None = None
    refunded: Decimal | None = None


@dataclass
class Listing:
    """One page of a sweep."""

    records: list[Listed]
    position: Position
    at: datetime
    total: int | None = None

    @property
    def size(self) -> int:
        return len(self.records)


@dataclass
class Found:
    """What was asked for by id. `gone` are the ids that the store has no longer, or has in its trash."""

    raws: list[Raw]
    gone: list[str]
    children: dict[str, list[str]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    """The ids that the store could not give, with the reason; others may have been given all the same."""


class Connector(Protocol):
    """One open store. All of it may raise `StoreError`."""

    @property
    def traits(self) -> dict[str, Any]:
        """What has been learned of the store so far."""
        ...

    @property
    def requests(self) -> int:
        """How many were made, retries among them."""
        ...

    async def describe(self) -> StoreInfo:
        """Also whether the key may read what it has to."""
        ...

    def read(self, resource: Resource, since: datetime | None, position: Position | None) -> AsyncIterator[Page]:
        """All of a resource, or what has changed after `since`, which may be more than that; from `position` on."""
        ...

    async def read_again(self, resource: Resource, external_ids: Sequence[str]) -> Found:
        """These records as they are now, at most `BATCH` of them."""
        ...

    def sweep(self, resource: Resource, position: Position | None) -> AsyncIterator[Listing]:
        """Every record of a resource that the store has, in short."""
        ...


BATCH = 50
