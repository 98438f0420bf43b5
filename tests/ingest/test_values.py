"""Single values: what is mended with a note, and what is refused."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from app.ingest import values
from app.ingest.values import BadRecord, Notes


@pytest.mark.parametrize(
    ("given", "expected"),
    [(None, ""), ("  a b\t", "a b"), ("a\x00b", "ab"), (7, "7"), (True, ""), ({"a": 1}, ""), ([1], ""), ("", "")],
)
def test_text(given: Any, expected: str):
    assert values.text(given) == expected


def test_html_entities():
    assert values.unescaped(" Tag &amp; Co &ndash; &#8220;x&#8221; &#0; ") == "Tag & Co – “x” \ufffd"


def test_over_long_text_is_cut_with_a_note():
    notes = Notes()
    assert values.fitted("a" * 5, 5, "name", notes) == "a" * 5
    assert values.fitted("ab cd", 3, "name", notes) == "ab"
    assert notes == ["name longer than 3 characters was cut"]


def test_keys_are_never_cut():
    assert values.key(" 42 ", "id") == "42"
    with pytest.raises(BadRecord, match="id is longer than 200 characters"):
        values.key("x" * 201, "id")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (" Jane@Example.COM ", "jane@example.com"),
        ("a+b@x.example.co.uk", "a+b@x.example.co.uk"),
        ("বাংলা@example.com", "বাংলা@example.com"),
        ("", None),
        (None, None),
    ],
)
def test_email(given: Any, expected: str | None):
    notes = Notes()
    assert values.email(given, notes) == expected
    assert notes == []


@pytest.mark.parametrize(
    "given", ["jane", "jane@", "@example.com", "jane@localhost", "a b@example.com", "a@b@example.com", "a@x.invalid",
              "Jane <jane@example.com>", "a@x.com, b@x.com", "x" * 140 + "@example.com"]
)  # fmt: skip
def test_unusable_email(given: str):
    notes = Notes()
    assert values.email(given, notes) is None
    assert notes == ["an unusable e-mail address was left out"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [("12.5", "12.50"), ("1.005", "1.01"), ("-1.005", "-1.01"), (7.3500000000000005, "7.35"), (" +3 ", "3.00"),
     (".5", "0.50"), ("1e3", "1000.00"), (Decimal("411.5233333333333"), "411.52"), ("0", "0.00")],
)  # fmt: skip
def test_money(given: Any, expected: str):
    assert values.money(given, "total") == Decimal(expected)


@pytest.mark.parametrize("given", ["", None, "  "])
def test_blank_money(given: Any):
    assert values.money(given, "total") is None


@pytest.mark.parametrize(
    "given", ["12,50", "1,200.00", "$5", "free", "NaN", "Infinity", "1e", "--1", "12.5.0", "1_000", "0x1F"]
)
def test_no_money(given: str):
    with pytest.raises(BadRecord, match="total is not a number: "):
        values.money(given, "total")


@pytest.mark.parametrize("given", ["1,200.00", "$5", "€ 43.40", "1,043,000", "12 USD"])
def test_what_adorns_a_number(given: str):
    with pytest.raises(BadRecord, match=r"write it without thousands separators and signs"):
        values.money(given, "total")


@pytest.mark.parametrize("given", ["1e99", "10000000000", "-10000000000"])
def test_money_out_of_range(given: str):
    with pytest.raises(BadRecord, match="total is out of range: "):
        values.money(given, "total")


def test_negative_prices_are_refused():
    assert values.price("0", "price") == 0
    with pytest.raises(BadRecord, match=r"price is negative: -0\.01"):
        values.price("-0.01", "price")
    with pytest.raises(BadRecord, match="price is out of range"):
        values.price("100000000", "price")


@pytest.mark.parametrize(("given", "expected"), [("3", 3), ("", None), (None, None), ("-2", -2), (0, 0)])
def test_stock(given: Any, expected: int | None):
    notes = Notes()
    assert values.stock(given, "stock", notes) == expected
    assert notes == []


def test_fractional_stock_is_rounded_down():
    notes = Notes()
    assert [values.stock(given, "stock", notes) for given in ("2.9", "-0.5")] == [2, -1]
    assert notes == ["a stock quantity was rounded down to whole pieces"] * 2
    with pytest.raises(BadRecord, match="out of range"):
        values.stock("99999999999", "stock", notes)


@pytest.mark.parametrize(
    ("given", "expected", "noted"),
    [("2", 2, False), ("", 1, False), (None, 1, False), (3.0, 3, False), ("0", 1, True),
     ("1.5", 2, True), ("0.2", 1, True)],
)  # fmt: skip
def test_quantity(given: Any, expected: int, noted: bool):
    notes = Notes()
    assert values.quantity(given, "quantity", notes) == expected
    assert bool(notes) is noted


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2025-03-30 03:30:00 +0200", datetime(2025, 3, 30, 1, 30, tzinfo=UTC)),
        ("2025-05-11 09:55:16 -0400", datetime(2025, 5, 11, 13, 55, 16, tzinfo=UTC)),
        ("2025-05-11T09:55:16Z", datetime(2025, 5, 11, 9, 55, 16, tzinfo=UTC)),
        ("2025-05-11T09:55:16", datetime(2025, 5, 11, 9, 55, 16, tzinfo=UTC)),
        ("2025-05-11 09:55:16 UTC", datetime(2025, 5, 11, 9, 55, 16, tzinfo=UTC)),
        ("2025-05-11", datetime(2025, 5, 11, tzinfo=UTC)),
        ("", None),
        (None, None),
    ],
)
def test_moment(given: Any, expected: datetime | None):
    assert values.moment(given, "date") == expected


@pytest.mark.parametrize(
    "given", ["11.05.2025", "05/11/2025", "0000-00-00 00:00:00", "yesterday", "2025-13-01", "9999-12-31T23:59:59-12:00"]
)
def test_no_moment(given: str):
    with pytest.raises(BadRecord, match="date is not an ISO 8601 date"):
        values.moment(given, "date")


@pytest.mark.parametrize("given", ["45678", "45678.5", "yesterday", "2025-13-01", "0000-00-00", "1.2.3"])
def test_a_date_that_no_option_reads(given: str):
    with pytest.raises(BadRecord) as refused:
        values.moment(given, "date")
    assert str(refused.value) == f"date is not an ISO 8601 date: {given}"


@pytest.mark.parametrize("given", ["03/04/2026", "3/4/2026 9:05", "31.12.25", "12/31/2025 09:05:00 -0400"])
def test_a_slashed_date_is_not_guessed(given: str):
    with pytest.raises(BadRecord, match="option dayfirst"):
        values.moment(given, "date")


@pytest.mark.parametrize(
    ("given", "is_hinted"),
    [("12,50", True), ("1.234,5", True), ("-,5", True), ("1,234", False), ("1,234.50", False), ("12,50 €", False)],
)
def test_decimal_commas_are_not_guessed(given: str, is_hinted: bool):
    with pytest.raises(BadRecord) as refused:
        values.money(given, "total")
    assert ("option decimal_comma" in str(refused.value)) is is_hinted


class TestSavedBySpreadsheets:
    @pytest.mark.parametrize(
        ("given", "expected"),
        [("'94103", "94103"), ('="01234"', "01234"), (" ' 7 ", "7"), ("O'Neil", "O'Neil"), ("'", ""), (None, "")],
    )
    def test_apostrophes(self, given: Any, expected: str):
        assert values.without_apostrophe(given) == expected

    @pytest.mark.parametrize(
        ("given", "expected"),
        [("4554821468349.0", "4554821468349"), ("'4554821468349,00", "4554821468349"), ("12E4", "12E4"), ("", ""),
         ("#1001", "#1001"), ("1.5", "1.5")],
    )  # fmt: skip
    def test_ids(self, given: str, expected: str):
        assert values.exported_key(given, "Id") == expected

    @pytest.mark.parametrize("given", ["4.55482E+12", "4,55482E+12", "'4.55482e+12", "5E+15", "-4.5E+10"])
    def test_rounded_ids(self, given: str):
        with pytest.raises(BadRecord, match=r"^Id is .*: a spreadsheet rounded it\. Export the file again"):
            values.exported_key(given, "Id")
        notes = Notes()
        assert values.unrounded(given, "barcode", notes) == ""
        assert notes == ["a barcode that a spreadsheet rounded was left out"]

    @pytest.mark.parametrize(
        ("given", "expected"),
        [("'+49 30 1", "+49 30 1"), ("5901234123457.0", "5901234123457"), ("1.0", "1.0"), ("1E5", "1E5")],
    )
    def test_phones_barcodes_and_skus(self, given: str, expected: str):
        notes = Notes()
        assert values.unrounded(given, "phone", notes) == expected
        assert notes == []

    def test_flags(self):
        assert [values.exported_flag(given, "Published") for given in ("TRUE", "FALSE", "", "no")] == [
            True, False, False, False,
        ]  # fmt: skip
        with pytest.raises(BadRecord, match="Published is neither true nor false: WAHR"):
            values.exported_flag("WAHR", "Published")


def test_currency():
    assert (values.currency(" eur "), values.currency("")) == ("EUR", None)
    with pytest.raises(BadRecord, match="not an ISO 4217 code"):
        values.currency("€")


@pytest.mark.parametrize("given", ["true", "Yes", "1", "y", True, 1])
def test_flag(given: Any):
    assert values.flag(given)


@pytest.mark.parametrize("given", ["false", "", None, False, 0, "no"])
def test_no_flag(given: Any):
    assert not values.flag(given)


class TestMadeUpSku:
    def test_it_is_readable_and_lasts(self):
        assert values.made_up_sku("mug", "Blue / 300 ml") == "mug-blue-300-ml"

    def test_different_products_have_different_ones(self):
        names = ["茶", "茶碗", "Thé", "The", "a", "b", "x" * 90 + "1", "x" * 90 + "2", "!!!", "???"]
        skus = [values.made_up_sku(name) for name in names]
        assert len(set(skus)) == len(names)
        assert all(0 < len(sku) <= 100 for sku in skus)


class TestAddress:
    @staticmethod
    def build(**given: str) -> Any:
        parts = {"country": "", "city": "", "district": "", "street": "", "postcode": ""} | given
        return values.address(**parts, notes=Notes())  # type: ignore[arg-type]

    def test_without_street_city_and_country_it_is_none(self):
        assert self.build(district="Gulshan", postcode="1212") is None

    def test_partly_blank(self):
        found = self.build(city="Dhaka")
        assert (found.country, found.city, found.district, found.address) == ("", "Dhaka", None, "")

    def test_the_postcode_ends_the_street(self):
        assert self.build(street="1 Main St", postcode="1212").address == "1 Main St, 1212"
