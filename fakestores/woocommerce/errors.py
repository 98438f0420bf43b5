"""The store's own refusals: a code, a sentence, and a status within the body."""

from collections.abc import Mapping
from typing import Any


class Refused(Exception):
    """Answered as WordPress does it: `{"code": …, "message": …, "data": {"status": …}}`."""

    def __init__(self, status: int, code: str, message: str, **data: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"code": code, "message": message, "data": {"status": status, **data}}


def cannot_view() -> Refused:
    """For no key, an unknown one, and a right one that is sent in the clear: the three cannot be told apart."""
    return Refused(401, "woocommerce_rest_cannot_view", "Sorry, you cannot list resources.")


def not_authentic(message: str) -> Refused:
    return Refused(401, "woocommerce_rest_authentication_error", message)


def no_route() -> Refused:
    return Refused(404, "rest_no_route", "No route was found matching the URL and request method.")


def invalid_id(kind: str) -> Refused:
    """`kind` as the codes have it: shop_order, product, product_variation, webhook."""
    if kind == "customer":
        return Refused(404, "woocommerce_rest_invalid_id", "Invalid resource ID.")
    return Refused(404, f"woocommerce_rest_{kind}_invalid_id", "Invalid ID.")


def invalid_params(problems: Mapping[str, tuple[str, str]]) -> Refused:
    """`problems` are a code and a sentence by parameter."""
    return Refused(
        400,
        "rest_invalid_param",
        f"Invalid parameter(s): {', '.join(problems)}",
        params={name: message for name, (_, message) in problems.items()},
        details={name: {"code": code, "message": message, "data": None} for name, (code, message) in problems.items()},
    )
