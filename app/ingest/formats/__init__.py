"""Formats: each turns one platform's payloads into records. A new one is a module with a FORMAT and a line here."""

from http import HTTPStatus

from app.ingest.formats import (
    generic,
    shopify_csv,
    shopify_customers_csv,
    shopify_json,
    shopify_products_csv,
    woocommerce_json,
    woocommerce_products_csv,
)
from app.ingest.formats.base import Format, Options
from app.ingest.reading import SourceFile, UnreadableFile

# The order matters: the generic format takes what no platform's does.
FORMATS: dict[str, Format] = {
    module.FORMAT.name: module.FORMAT
    for module in (
        shopify_csv,
        shopify_products_csv,
        shopify_customers_csv,
        shopify_json,
        woocommerce_products_csv,
        woocommerce_json,
        generic,
    )
}


def find_format(file: SourceFile, options: Options, name: str | None = None) -> Format:
    """The format called `name`, or the one that recognises the file. Raises UnreadableFile."""
    if options.mapping:
        if name not in {None, generic.FORMAT.name}:
            raise UnreadableFile(
                f"Only the format generic takes a mapping, {name} finds its columns by itself.",
                HTTPStatus.UNPROCESSABLE_ENTITY,
                field="mapping",
            )
        return generic.FORMAT
    if name is not None:
        if name not in FORMATS:
            raise UnreadableFile(
                f"There is no format {name!r}; known are {', '.join(FORMATS)}.",
                HTTPStatus.UNPROCESSABLE_ENTITY,
                field="format",
            )
        return FORMATS[name]
    for candidate in FORMATS.values():
        if candidate.recognises(file, options):
            return candidate
    what = "JSON" if file.is_json else f"header ({', '.join(file.header()[:12]) or 'none'})"
    known = "; ".join(f"{each.title}: {each.columns_needed}" for each in FORMATS.values())
    raise UnreadableFile(f"No known format has this {what}. Known are {known}.", HTTPStatus.UNPROCESSABLE_ENTITY)
