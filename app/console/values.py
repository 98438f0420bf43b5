"""How values are shown: filters of the templates."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import orjson
from markupsafe import Markup

NOTHING = "–"
TONES = {
    "pending": "yellow",
    "confirmed": "azure",
    "shipped": "blue",
    "delivered": "green",
    "cancelled": "secondary",
    "queued": "secondary",
    "running": "azure",
    "succeeded": "green",
    "failed": "red",
    "open": "yellow",
    "retried": "blue",
    "dismissed": "secondary",
}
"""Colours of the theme, for words that say where something stands; the word itself always stands beside it."""


def moment(value: datetime | None) -> str:
    """To the minute, in UTC; the whole of it is in the element's title."""
    if value is None:
        return NOTHING
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        value.isoformat(), f"{value:%Y-%m-%d %H:%M:%S} UTC", f"{value:%Y-%m-%d %H:%M}"
    )


def day(value: date | None) -> str:
    return NOTHING if value is None else value.isoformat()


def money(value: Decimal | float | str | None, currency: str | None = None) -> str:
    if value is None:
        return NOTHING
    return f"{Decimal(value):,.2f}" + (f" {currency}" if currency else "")


def number(value: float | Decimal | None, digits: int = 0) -> str:
    return NOTHING if value is None else f"{value:,.{digits}f}"


def percent(value: float | None, digits: int = 0) -> str:
    return NOTHING if value is None else f"{100 * value:.{digits}f} %"


def plain(value: Any) -> str:
    return NOTHING if value is None or value == "" else str(value)


def tone(value: Any) -> str:
    return TONES.get(str(value), "secondary")


def as_json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode()


FILTERS = {
    "moment": moment,
    "day": day,
    "money": money,
    "number": number,
    "percent": percent,
    "plain": plain,
    "tone": tone,
    "as_json": as_json,
}
