"""How a file of no known platform is read: a mapping, written in TOML, given with an import or kept with its website.

docs/importing.md describes it for the people who write one; app/ingest/mappings/ holds those that are shipped.
"""

import re
import tomllib
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import Field, StringConstraints, ValidationError, model_validator

from app.ingest.reading import UnreadableFile
from app.utils.schemas import Schema

SHIPPED = Path(__file__).parent / "mappings"

CONSUMER_COLUMNS = frozenset(
    {"customer_id", "email", "name", "phone", "country", "city", "district", "address", "updated_at"}
)
PRODUCT_COLUMNS = frozenset(
    {"product_id", "sku", "product_name", "variant", "barcode", "price", "stock_quantity", "is_active"}
)
LINE_COLUMNS = frozenset({"product_id", "sku", "product_name", "quantity", "unit_price", "total_price"})
ORDER_COLUMNS = frozenset({
    "order_id", "order_number", "placed_at", "status", "currency", "total_amount", "discount_total", "shipping_total",
    "tax_total", "fee_total", "refunded_total", "tax_included", "is_test", "lines",
})  # fmt: skip
COLUMNS = CONSUMER_COLUMNS | PRODUCT_COLUMNS | LINE_COLUMNS | ORDER_COLUMNS

# What says which order a row belongs to: a default would make one order of many.
NO_DEFAULTS = frozenset({"order_id", "order_number", "lines"})
ROW = "row"
PLACEHOLDER = re.compile(r"\{(\w*)\}")

ColumnName = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Codes(Schema):
    """Values of `sku` that are no products: their lines become a part of the order's ledger, or no part of it."""

    shipping: frozenset[str] = frozenset()
    fee: frozenset[str] = frozenset()
    discount: frozenset[str] = frozenset()
    skipped: frozenset[str] = Field(frozenset(), description="left out by the rule no_sale")

    def find_rule(self, code: str) -> str | None:
        """What a line of this code is; None for a product. Letter case does not matter."""
        return self._rules.get(code.strip().upper())

    @cached_property
    def _rules(self) -> dict[str, str]:
        return {
            code.strip().upper(): "no_sale" if rule == "skipped" else rule
            for rule in ("shipping", "fee", "discount", "skipped")
            for code in getattr(self, rule)
        }


class Mapping(Schema):
    """`columns` maps our names to the file's. `defaults` fill our columns where the file's cell is blank.

    `number_template` makes order numbers for a file that has none: "{customer_id}-{placed_at}-{row}", of our columns'
    cells and the number of the row.
    """

    title: str = "generic file"
    columns: dict[str, ColumnName] = Field(default_factory=dict)
    defaults: dict[str, str] = Field(default_factory=dict)
    header: list[ColumnName] | None = Field(None, description="the column names of a file that has no header row")
    delimiter: Literal[",", ";", "\t", "|", "whitespace"] | None = Field(None, description="recognised if not given")
    dayfirst: bool = Field(False, description="dates such as 03/04/2026 are the third of April")
    decimal_comma: bool = Field(False, description="numbers are written 1.234,50")
    number_template: str | None = Field(None, description="order numbers are made of it where the file has none")
    return_prefix: str | None = Field(None, description="order numbers that begin with it are returns, such as C")
    codes: Codes = Codes()

    def is_return(self, number: str) -> bool:
        """Whether an order of this number is all returns. Letter case does not matter."""
        return bool(self.return_prefix) and number.upper().startswith((self.return_prefix or "").upper())

    @model_validator(mode="after")
    def _know_columns(self) -> Self:
        unknown = sorted((self.columns.keys() | self.defaults.keys()) - COLUMNS)
        if unknown:
            raise ValueError(f"{', '.join(unknown)}: none of our columns ({', '.join(sorted(COLUMNS))})")
        if common := sorted(self.defaults.keys() & NO_DEFAULTS):
            raise ValueError(f"{', '.join(common)}: no default, it would make one order of all rows (number_template?)")
        return self

    @model_validator(mode="after")
    def _know_placeholders(self) -> Self:
        names = PLACEHOLDER.findall(self.number_template or "")
        if unknown := sorted(set(names) - (COLUMNS - NO_DEFAULTS) - {ROW}):
            raise ValueError(f"number_template: {', '.join(unknown)} is neither one of our columns nor row")
        if self.number_template is not None and not names:
            raise ValueError(
                "number_template names no column, such as {customer_id}, and every order would be the same"
            )
        return self


def read_mapping(text: str, what: str = "The mapping") -> Mapping:
    """From TOML, JSON, or the name of a shipped one. Raises UnreadableFile that says what is wrong, and where.

    An object of names alone stands for `columns`: {"order_number": "Invoice"}.
    """
    stripped = text.strip()
    if stripped in (shipped := find_shipped()):
        return read_mapping(shipped[stripped].read_text(encoding="utf-8"), stripped)
    try:
        given: Any = orjson.loads(stripped) if stripped.startswith("{") else tomllib.loads(text)
    except ValueError as error:
        raise _unfit(f"{what} is neither TOML nor JSON, nor one of {', '.join(sorted(shipped))}: {error}.") from None
    if all(isinstance(value, str) for value in given.values()) and not given.keys() & Mapping.model_fields.keys():
        given = {"columns": given}
    try:
        return Mapping.model_validate(given)
    except ValidationError as error:
        faults = [
            ": ".join([*(str(part) for part in each["loc"]), each["msg"].removeprefix("Value error, ")])
            for each in error.errors()
        ]
        unknown = any(each["type"] == "extra_forbidden" for each in error.errors())
        known = f" Known keys are {', '.join(Mapping.model_fields)}." if unknown else ""
        raise _unfit(f"{what} does not fit: {'; '.join(faults)}.{known}") from None


def load_mapping(name_or_path: str) -> Mapping:
    """A shipped mapping by its name, or a TOML file by its path. Raises UnreadableFile or OSError."""
    if name_or_path in find_shipped():
        return read_mapping(name_or_path)
    try:
        return read_mapping(Path(name_or_path).read_text(encoding="utf-8"), name_or_path)
    except UnicodeDecodeError:
        raise _unfit(f"{name_or_path} is not UTF-8 text.") from None


def find_shipped() -> dict[str, Path]:
    """The mappings that come with the program, by name."""
    return {path.stem: path for path in SHIPPED.glob("*.toml")}


def _unfit(sentence: str) -> UnreadableFile:
    return UnreadableFile(sentence, HTTPStatus.UNPROCESSABLE_ENTITY, field="mapping")
