"""What a purchase is, wherever money or predictions count one.

An order that is confirmed, shipped or delivered, is not a test, and of whose total refunds leave something.
"""

_CONDITION = (
    "({of}status IN ('confirmed', 'shipped', 'delivered') AND NOT {of}is_test"
    " AND {of}total_amount - {of}refunded_total > 0)"
)

IS_PURCHASE = _CONDITION.format(of="")
"""The condition on the columns of orders, for SQL that reads no other table with columns of these names."""


def is_purchase(alias: str) -> str:
    """The condition on the orders that the SQL around it calls `alias`."""
    return _CONDITION.format(of=f"{alias}.")
