"""Formats: each turns one platform's payloads into records. A new one is a module with a FORMAT and a line here."""

from dataclasses import replace
from http import HTTPStatus

from app.ingest.formats import (
    generic,
    shopify_csv,
    shopify_customers_csv,
    shopify_graphql,
    shopify_json,
    shopify_products_csv,
    woocommerce_json,
    woocommerce_products_csv,
)
from app.ingest.formats.base import Format, Options
from app.ingest.mapping import Mapping
from app.ingest.reading import Source, UnreadableFile

# The order matters: the generic format takes what no platform's does.
FORMATS: dict[str, Format] = {
    module.FORMAT.name: module.FORMAT
    for module in (
        shopify_csv,
        shopify_products_csv,
        shopify_customers_csv,
        shopify_graphql,
        shopify_json,
        woocommerce_products_csv,
        woocommerce_json,
        generic,
    )
}


def find_format(
    file: Source, options: Options, name: str | None = None, *, kept: Mapping | None = None
) -> tuple[Format, Options]:
    """The format called `name`, or the one that recognises the file, and the options to read it with.

    A mapping given with the import means the generic format; one kept with the website serves where the generic
    format is named, or no platform's recognises the file. Raises UnreadableFile.
    """
    if options.mapping:
        if name not in {None, generic.FORMAT.name}:
            raise _refusal(f"Only the format generic takes a mapping, {name} finds its columns by itself.", "mapping")
        return generic.FORMAT, options
    mapped = replace(options, mapping=kept)
    if name is not None:
        if name not in FORMATS:
            raise _refusal(f"There is no format {name!r}; known are {', '.join(FORMATS)}.", "format")
        return FORMATS[name], mapped if FORMATS[name] is generic.FORMAT else options
    for candidate in FORMATS.values():
        if candidate is generic.FORMAT and kept is not None and generic.recognises(file, mapped):
            return candidate, mapped
        if candidate.recognises(file, options):
            return candidate, options
    if file.is_json and next(file.values(), None) is None:
        return generic.FORMAT, options  # a nightly export of nothing: no records, and no failure
    reason = _describe(file)
    if kept is not None:
        wanted = ", ".join(kept.columns.values())
        reason += f" Nor does it fit the mapping that is kept with the website, which reads {wanted}."
    raise _refusal(reason, "file")


def _describe(file: Source) -> str:
    """Why no format takes the file, for a person who wonders what they have there."""
    if file.is_json:
        _place, first = next(file.values())
        if isinstance(first, dict) and first.keys() >= {"code", "message"}:
            return f"This is an error that the store answered, and no data: {first['message']}"
        keys = ", ".join(list(first)[:12]) if isinstance(first, dict) else ""
        what = f"JSON with the keys {keys or 'none'}"
    else:
        what = f"CSV with the columns {', '.join(file.header()[:12]) or 'none'}"
    known = "; ".join(f"{each.title}: {each.columns_needed}" for each in FORMATS.values())
    return f"No known format is {what}. Known are {known}."


def _refusal(sentence: str, field: str) -> UnreadableFile:
    return UnreadableFile(sentence, HTTPStatus.UNPROCESSABLE_ENTITY, field=field)
