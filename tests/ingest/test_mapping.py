"""Mappings: what one may say, and what is said where it does not fit."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from app.ingest.formats import find_format
from app.ingest.formats.base import Options
from app.ingest.mapping import Mapping, find_shipped, load_mapping, read_mapping
from app.ingest.reading import SourceFile, UnreadableFile
from tests.ingest.conftest import LIMITS

WHOLE = """
title = "Till"
header = ["Bill", "Item", "Date"]
delimiter = "\\t"
dayfirst = true
decimal_comma = true
return_prefix = "R"

[columns]
order_number = "Bill"
placed_at = "Date"
sku = "Item"

[defaults]
currency = "EUR"

[codes]
shipping = ["POST"]
skipped = ["TEST"]
"""


def test_every_key():
    mapping = read_mapping(WHOLE)
    assert mapping.columns == {"order_number": "Bill", "placed_at": "Date", "sku": "Item"}
    assert (mapping.title, mapping.header, mapping.delimiter) == ("Till", ["Bill", "Item", "Date"], "\t")
    assert (mapping.dayfirst, mapping.decimal_comma, mapping.return_prefix) == (True, True, "R")
    assert mapping.defaults == {"currency": "EUR"}
    assert [mapping.codes.find_rule(code) for code in ("post ", "Test", "MUG", "")] == [
        "shipping",
        "no_sale",
        None,
        None,
    ]


def test_it_survives_being_kept_with_an_import():
    mapping = read_mapping(WHOLE)
    assert mapping.codes.find_rule("POST") == "shipping"  # what was looked up before does not matter
    kept = json.loads(json.dumps(Options(mapping, returns="refund").as_json()))
    assert Options.from_json(kept) == Options(read_mapping(WHOLE), returns="refund")


def test_names_alone_are_columns():
    assert read_mapping('{"order_number": "Invoice"}').columns == {"order_number": "Invoice"}
    assert read_mapping('number_template = "{customer_id}-{row}"').number_template == "{customer_id}-{row}"


@pytest.mark.parametrize(
    ("prefix", "number", "is_return"),
    [("C", "C1", True), ("C", "c1", True), ("cr-", "CR-1", True), ("C", "1C", False), (None, "C1", False),
     ("", "C1", False)],
)  # fmt: skip
def test_return_prefixes(prefix: str | None, number: str, is_return: bool):
    assert Mapping(return_prefix=prefix).is_return(number) is is_return


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('columns = {bill = "Bill"}', "bill: none of our columns"),
        ('defaults = {colour = "red"}', "colour: none of our columns"),
        ('defaults = {order_number = "1"}', "order_number: no default, it would make one order of all rows"),
        ('number_template = "{customer_id}-{till}"', "till is neither one of our columns nor row"),
        ('number_template = "{order_number}"', "order_number is neither one of our columns nor row"),
        ('number_template = "1"', "number_template names no column"),
        ('delimiter = "x"', "delimiter: Input should be"),
        ("colour = 1", "colour: Extra inputs are not permitted"),
        ("columns = ", "neither TOML nor JSON"),
    ],
)
def test_what_does_not_fit(text: str, sentence: str):
    with pytest.raises(UnreadableFile, match=sentence) as raised:
        read_mapping(text)
    assert [error.field for error in raised.value.errors or []] == ["mapping"]


@pytest.mark.parametrize("name", ["online_retail_ii", "cdnow"])
def test_shipped(name: str, tmp_path: Path):
    mapping = load_mapping(name)
    assert name in find_shipped()
    assert mapping == read_mapping(name)
    copied = tmp_path / "mine.toml"
    copied.write_text(find_shipped()[name].read_text(encoding="utf-8"), encoding="utf-8")
    assert load_mapping(str(copied)) == mapping


def test_a_misspelt_key_is_answered_with_the_known_ones():
    with pytest.raises(UnreadableFile, match=r"colums: .*Known keys are title, columns, defaults"):
        read_mapping('[colums]\norder_number = "Bill"\n')


class TestKeptWithAWebsite:
    KEPT = Mapping(columns={"order_number": "Bill", "sku": "Item"})

    def test_it_reads_what_no_platform_has(self, write: Callable[[str], Path]):
        file = SourceFile(write("Bill,Item\n1,TEA\n"), LIMITS)
        found, options = find_format(file, Options(), kept=self.KEPT)
        assert (found.name, options.mapping) == ("generic", self.KEPT)

    def test_a_file_it_does_not_fit_is_read_without_it(self, write: Callable[[str], Path]):
        file = SourceFile(write("order_number,sku\n1,TEA\n"), LIMITS)
        found, options = find_format(file, Options(), kept=self.KEPT)
        assert (found.name, options.mapping) == ("generic", None)

    def test_or_refused_with_both_reasons(self, write: Callable[[str], Path]):
        file = SourceFile(write("colour,shape\nred,round\n"), LIMITS)
        with pytest.raises(
            UnreadableFile, match=r"columns colour, shape\..* kept with the website, which reads Bill, Item"
        ):
            find_format(file, Options(), kept=self.KEPT)
