"""What every wire shape shares: dates in filters, money, NUL characters, website names, partial bodies."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from pydantic import TypeAdapter, ValidationError

from app.utils.schemas import (
    CurrencyCode,
    FromMoment,
    Moment,
    Money,
    Price,
    Schema,
    SignedTotal,
    ToMoment,
    Total,
    UpdateSchema,
    WebsiteName,
)

FROM: TypeAdapter[datetime] = TypeAdapter(FromMoment)
TO: TypeAdapter[datetime] = TypeAdapter(ToMoment)
MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)


class TestMoments:
    def test_a_date_alone_is_that_utc_day(self):
        assert FROM.validate_python(" 2024-02-29 ") == datetime(2024, 2, 29, tzinfo=UTC)
        assert TO.validate_python(" 2024-02-29 ") == datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC)

    @pytest.mark.parametrize("adapter", [FROM, TO, MOMENT])
    @pytest.mark.parametrize(
        "text", ["2024-05-01T06:30:00", "2024-05-01T06:30:00Z", "2024-05-01T12:30:00+06:00", "2024-05-01T01:30:00-0500"]
    )
    def test_everything_becomes_utc_and_without_an_offset_is_utc(self, adapter: TypeAdapter[datetime], text: str):
        moment = adapter.validate_python(text)
        assert moment == datetime(2024, 5, 1, 6, 30, tzinfo=UTC)
        assert moment.tzinfo is UTC

    @pytest.mark.parametrize("adapter", [FROM, TO])
    @pytest.mark.parametrize("offset", [" 06:00", " 0600"])
    def test_a_plus_that_was_not_encoded(self, adapter: TypeAdapter[datetime], offset: str):
        assert adapter.validate_python(f"2024-05-01T12:30:00{offset}") == datetime(2024, 5, 1, 6, 30, tzinfo=UTC)

    @pytest.mark.parametrize("adapter", [FROM, TO])
    @pytest.mark.parametrize("text", ["", "soon", "2024-02-30", "2024-13-01", "2024-05-01T25:00:00", "10000-01-01"])
    def test_invalid(self, adapter: TypeAdapter[datetime], text: str):
        with pytest.raises(ValidationError):
            adapter.validate_python(text)

    @pytest.mark.parametrize("adapter", [FROM, TO, MOMENT])
    @pytest.mark.parametrize("text", ["0001-01-01T00:00:00+06:00", "9999-12-31T23:59:59-06:00"])
    def test_outside_the_years_there_are(self, adapter: TypeAdapter[datetime], text: str):
        with pytest.raises(ValidationError, match="outside the years 1 to 9999"):
            adapter.validate_python(text)


class TestMoney:
    @pytest.mark.parametrize(
        ("kind", "accepted", "refused"),
        [
            (Price, ["0", "19.9", "99999999.99", 5], ["-0.01", "1.234", "100000000", "NaN", "Infinity", "1e9", "x"]),
            (Total, ["0", "9999999999.99"], ["-0.01", "1.234", "10000000000", "NaN"]),
            (SignedTotal, ["-9999999999.99", "0.01"], ["1.234", "-10000000000", "-Infinity"]),
        ],
    )
    def test_limits(self, kind: Any, accepted: list[Any], refused: list[Any]):
        adapter = TypeAdapter(kind)
        for value in accepted:
            assert adapter.validate_python(value) == Decimal(value)
        for value in refused:
            with pytest.raises(ValidationError):
                adapter.validate_python(value)

    @pytest.mark.parametrize("kind", [Price, Total, SignedTotal, Money])
    def test_a_string_with_two_decimals_on_the_wire(self, kind: Any):
        adapter = TypeAdapter(kind)
        assert adapter.dump_json(Decimal(5)) == b'"5.00"'
        assert adapter.dump_json(Decimal("19.9")) == b'"19.90"'
        assert adapter.dump_json(Decimal("1E+3")) == b'"1000.00"'


class TestNames:
    @pytest.mark.parametrize(
        ("given", "kept"),
        [(" Sailor ", "sailor"), ("RISE.com", "rise.com"), ("3 suisses", "3 suisses"), ("a" * 100,) * 2],
    )
    def test_websites_are_trimmed_and_lower_cased(self, given: str, kept: str):
        assert TypeAdapter(WebsiteName).validate_python(given) == kept

    @pytest.mark.parametrize(
        "given", ["", " ", "-sailor", ".rise", "sai/lor", "sailor\n.", "séb", "a" * 101, "\x00", 7]
    )
    def test_malformed_websites(self, given: Any):
        with pytest.raises(ValidationError):
            TypeAdapter(WebsiteName).validate_python(given)

    def test_currencies(self):
        assert TypeAdapter(CurrencyCode).validate_python(" bdt ") == "BDT"
        for given in ("", "US", "USDT", "U$D", "12A"):
            with pytest.raises(ValidationError):
                TypeAdapter(CurrencyCode).validate_python(given)


class Mug(Schema):
    name: str
    note: str | None = None


class MugUpdate(UpdateSchema):
    not_null: ClassVar = frozenset({"name", "colour"})

    name: str | None = None
    colour: str | None = None
    note: str | None = None


class TestSchema:
    def test_text_is_trimmed(self):
        assert Mug(name="  Enamel mug\n").name == "Enamel mug"

    @pytest.mark.parametrize("field", ["name", "note"])
    def test_a_nul_character_is_refused_by_name(self, field: str):
        with pytest.raises(ValidationError, match=rf"{field}\n.*cannot hold a NUL character"):
            Mug.model_validate({"name": "mug"} | {field: "mu\x00g"})

    def test_unknown_fields_are_refused(self):
        with pytest.raises(ValidationError, match="colour"):
            Mug.model_validate({"name": "mug", "colour": "blue"})


class TestUpdateSchema:
    def test_what_is_absent_is_no_change(self):
        assert MugUpdate().changes() == {}
        assert MugUpdate(name="mug", note=None).changes() == {"name": "mug", "note": None}

    def test_every_field_that_cannot_be_null_is_named(self):
        with pytest.raises(ValidationError) as raised:
            MugUpdate(name=None, colour=None)
        assert {error["loc"] for error in raised.value.errors()} == {("name",), ("colour",)}

    def test_the_document_offers_null_only_where_it_is_taken(self):
        properties = MugUpdate.model_json_schema()["properties"]
        assert properties["name"]["type"] == "string"
        assert {"type": "null"} in properties["note"]["anyOf"]
