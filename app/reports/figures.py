"""What a report is about, and what it tells. Days are those of each website's own calendar, and bounds are within."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

MOST_DAYS = 3660


@dataclass(frozen=True)
class Scope:
    """A website in a currency, or all websites in it together. Currencies are never added up."""

    currency: str
    website: str | None = None


@dataclass(frozen=True)
class Period:
    """Raises ValueError where it is none that can be reported on."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ValueError(f"A period cannot end on {self.last} and begin on {self.first}.")
        if self.length > MOST_DAYS:
            raise ValueError(f"A period has at most {MOST_DAYS} days.")
        if self.first.toordinal() <= self.length:
            raise ValueError(f"Before {self.first} there is no period as long as until {self.last}.")

    @property
    def previous(self) -> "Period":
        """The one of equal length that ends where this one begins."""
        return Period(self.first - timedelta(days=self.length), self.first - timedelta(days=1))

    @property
    def length(self) -> int:
        return (self.last - self.first).days + 1

    def days(self) -> Iterator[date]:
        return (self.first + timedelta(days=day) for day in range(self.length))


@dataclass(frozen=True)
class Figures:
    """Of the purchases placed within a period; `revenue` is net of refunds.

    A new consumer has made their first purchase of all within the period; one who had bought before it and has bought
    again is a returning one, so nobody is both. `refunds` is what has been refunded, whenever, of the orders placed
    within the period, those included that are no purchases any longer.
    """

    revenue: Decimal
    orders: int
    new_consumers: int
    returning_consumers: int
    refunds: Decimal

    @property
    def average_order_value(self) -> Decimal | None:
        return round(self.revenue / self.orders, 2) if self.orders else None


@dataclass(frozen=True)
class Summary:
    """`as_of` is the moment up to which changes are in; None before the first refresh."""

    as_of: datetime | None
    current: Figures
    previous: Figures


@dataclass(frozen=True)
class WebsiteDay:
    """`orders` are the purchases."""

    day: date
    website: str
    revenue: Decimal
    orders: int


@dataclass(frozen=True)
class StatusDay:
    """Orders of all kinds, tests among them, by the day they were placed on and their status of now."""

    day: date
    status: str
    orders: int


@dataclass(frozen=True)
class BestSeller:
    """`revenue` is that of the lines, before what the order as a whole was discounted, and before partial refunds."""

    product_id: int
    sku: str
    product_name: str
    website: str
    units: int
    revenue: Decimal


@dataclass(frozen=True)
class Cohort:
    """Those whose first purchase was in the month that begins on `month`, without anonymous consumers.

    `returned` has how many of them bought in the first month after it, the second, and so on, up to the last day of
    the report; its last month may not be over.
    """

    month: date
    consumers: int
    returned: tuple[int, ...]

    @property
    def shares(self) -> tuple[float | None, ...]:
        """Of the consumers who bought again, month by month; None where there was nobody."""
        return tuple(count / self.consumers if self.consumers else None for count in self.returned)


@dataclass(frozen=True)
class Market:
    """A website in a currency that it has orders in, with the day that it is there."""

    currency: str
    website: str
    orders: int
    purchases: int
    first_day: date
    last_day: date
    today: date


@dataclass(frozen=True)
class Arrival:
    """An import or a run over a store, by what it last did. `origin` is as of `ingest.models.ImportOrigin`."""

    import_id: int
    origin: str
    status: str
    at: datetime
    error: str | None


@dataclass(frozen=True)
class Freshness:
    """How new what is known of a website is.

    `verdict` and `complete_up_to` are of a registered store; None of others, which nobody can be asked about.
    """

    website: str
    is_followed: bool
    last_order_at: datetime | None
    last_arrival: Arrival | None
    verdict: str | None
    complete_up_to: datetime | None
