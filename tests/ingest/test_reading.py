"""Opening files: what is understood, and each way to be refused with a status and one sentence."""

import codecs
import gzip
from collections.abc import Callable
from decimal import Decimal
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from app.ingest.formats import find_format
from app.ingest.formats.base import Options
from app.ingest.reading import BadLine, Limits, SourceFile, UnreadableFile
from app.ingest.records import Parsed, ProductRecord
from tests.ingest.conftest import LIMITS

Write = Callable[[Any], Path]
SMALL = Limits(unpacked_bytes=1024 * 1024, record_bytes=1024)


def read_rows(path: Path, limits: Limits = LIMITS) -> list[dict[str, str]]:
    return [row for _, row in SourceFile(path, limits).rows()]


def read_values(path: Path, limits: Limits = LIMITS) -> list[Any]:
    return [value for _, value in SourceFile(path, limits).values()]


def read_anything(path: Path, limits: Limits = LIMITS) -> None:
    """As an import would: recognise, then read to the end."""
    file = SourceFile(path, limits)
    found, options = find_format(file, Options())
    for _ in found.read(file, options):
        pass


def refusal(path: Path, read: Callable[..., Any] = read_anything, limits: Limits = LIMITS) -> UnreadableFile:
    with pytest.raises(UnreadableFile) as raised:
        read(path, limits)
    sentence = str(raised.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return raised.value


class TestEncodings:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
    def test_csv(self, write: Write, encoding: str):
        path = write("sku,product_name\nTEA-1,Thé vert 茶\n".encode(encoding))
        assert read_rows(path) == [{"sku": "TEA-1", "product_name": "Thé vert 茶"}]

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
    @pytest.mark.parametrize("content", ['[{"name": "茶"}]', '{"name": "茶"}', '{"data": [{"name": "茶"}]}'])
    def test_json(self, write: Write, encoding: str, content: str):
        assert read_values(write(content.encode(encoding))) == [{"name": "茶"}]

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
    def test_ndjson(self, write: Write, encoding: str):
        path = write('{"name": "茶"}\n\n{"name": "é"}\n'.encode(encoding))
        assert list(SourceFile(path, LIMITS).values()) == [("line 1", {"name": "茶"}), ("line 3", {"name": "é"})]

    def test_gzip(self, write: Write):
        assert read_rows(write(gzip.compress(b"sku,price\nTEA-1,2.00\n"))) == [{"sku": "TEA-1", "price": "2.00"}]

    @pytest.mark.parametrize("content", ["sku,price\n\nTEA-\xe9,1\n", '[{"sku": "TEA-\xe9"}]'])
    def test_not_utf_8(self, write: Write, content: str):
        error = refusal(write(content.encode("latin-1")))
        assert error.status == HTTPStatus.BAD_REQUEST
        assert "not UTF-8" in str(error)

    def test_not_utf_8_far_below_the_beginning(self, write: Write):
        content = b"sku,price\n" + b"TEA-1,1\n" * 100_000 + b"TEA-\xe9,1\n"
        assert 'not UTF-8 (byte 0xe9 after "TEA-")' in str(refusal(write(content)))

    @pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "mac-roman", "cp437"])
    def test_letters_of_other_encodings(self, write: Write, encoding: str):
        error = refusal(write("sku,product_name,price\nA,Café crème,1\n".encode(encoding)))
        assert error.status == HTTPStatus.BAD_REQUEST
        assert "not UTF-8 (byte 0x" in str(error)
        assert 'after "A,Caf")' in str(error)
        assert "CSV UTF-8" in str(error)

    def test_the_header_alone_is_enough(self, write: Write):
        error = refusal(
            write("sku,größe,price\nA,1,1\n".encode("latin-1")), lambda path, _: SourceFile(path, LIMITS).header()
        )
        assert 'after "sku,gr")' in str(error)

    def test_utf_8_with_one_byte_of_another_encoding(self, write: Write):
        assert "0xe9" in str(refusal(write("sku,price\nÉclair,1\n".encode() + b"Caf\xe9,1\n"), read_rows))

    def test_half_a_utf_16_character(self, write: Write):
        assert "UTF-16" in str(refusal(write("sku,price\nTEA-1,1\n".encode("utf-16") + b"\x41"), read_rows))


class TestRefusedAtOnce:
    @pytest.mark.parametrize(
        ("content", "status", "words"),
        [
            (b"", 400, "empty"),
            (b" \r\n\t\n", 400, "empty"),
            (codecs.BOM_UTF8 + b"\n", 400, "empty"),
            (gzip.compress(b"", mtime=0), 400, "empty"),
            (gzip.compress(b"sku,price\nTEA-1,1\n" * 9, mtime=0)[:-9], 400, "damaged or cut off"),
            (b"\x1f\x8b no gzip at all", 400, "damaged or cut off"),
            (b"PK\x03\x04" + bytes(40), 415, "ZIP archive or a spreadsheet"),
            (b"\x89PNG\r\n\x1a\n" + bytes(40), 415, "binary"),
            ("sku,price\nTEA-1,1\n".encode("utf-16-le"), 415, "UTF-16 without a byte order mark"),
            ("sku,price\nTEA-1,1\n".encode("utf-16-be"), 415, "UTF-16 without a byte order mark"),
            ("sku,price\nTEA-1,1\n".encode("utf-32"), 415, "UTF-32"),
            ("品番,価格\n茶一,1\n".encode("utf-16-le"), 415, "if it is text, save it as UTF-8"),
            (b"%PDF-1.4\n1 0 obj\n", 422, "No known format is CSV with the columns %PDF-1.4."),
            (b"colour,shape\nred,round\n", 422, "No known format is CSV with the columns colour, shape."),
            (b'[{"colour": "red"}]', 422, "No known format is JSON with the keys colour."),
            (b"{}", 422, "No known format is JSON with the keys none."),
            (
                b'{"code": "no_route", "message": "No route.", "data": {"status": 404}}',
                422,
                "This is an error that the store answered",
            ),
            (b'[{"id": 1, "amount": "1", "reason": ""}', 400, "not valid JSON"),
            (b'{"data": [{"id": 1, "amount": "1",', 400, "not valid JSON"),
            (b'{"id": 1, "amount":: "1"}', 400, "not valid JSON: Expecting value: line 1 column 20"),
            (b'[{"id": 1, "amount": "1", "reason": ""},\n {"id": 2, amount}]', 400, "line 2 column 12"),
        ],
    )
    def test_with_status_and_sentence(self, write: Write, content: bytes, status: int, words: str):
        error = refusal(write(content))
        assert (error.status, words in str(error)) == (status, True), str(error)


class TestCsv:
    @pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
    def test_delimiters(self, write: Write, delimiter: str):
        content = delimiter.join(["sku", "price", "name"]) + "\n" + delimiter.join(["A", "1", "x y"]) + "\n"
        assert read_rows(write(content)) == [{"sku": "A", "price": "1", "name": "x y"}]

    def test_quoted_line_ends_and_delimiters(self, write: Write):
        path = write('sku,name\r\nA,"two\r\nlines, ""quoted"""\r\nB,x\r\n')
        file = SourceFile(path, LIMITS)
        assert list(file.rows()) == [
            (2, {"sku": "A", "name": 'two\r\nlines, "quoted"'}),
            (3, {"sku": "B", "name": "x"}),
        ]

    def test_short_rows_are_filled_up_and_blank_ones_left_out(self, write: Write):
        path = write("sku,price,name\nA\n\n,,\nB,2\n")
        assert read_rows(path) == [
            {"sku": "A", "price": "", "name": ""},
            {"sku": "B", "price": "2", "name": ""},
        ]

    def test_blank_cells_beyond_the_header_are_nothing(self, write: Write):
        assert read_rows(write("sku,price\nA,1,,\n")) == [{"sku": "A", "price": "1"}]

    def test_more_cells_than_the_header_has(self, write: Write):
        error = refusal(write("sku,price\nA,1\nB,1,50\n"), read_rows)
        assert str(error) == "Row 3 has 3 cells, the header has 2."

    def test_a_quotation_mark_that_ends_nowhere(self, write: Write):
        assert "not valid CSV in row 2" in str(refusal(write('sku,name\nA,"open\nB,x\n'), read_rows))

    def test_text_behind_a_closing_quotation_mark(self, write: Write):
        assert "not valid CSV" in str(refusal(write('sku,name\nA,"open" shut\n'), read_rows))

    def test_a_blank_before_a_quotation_mark(self, write: Write):
        path = write('sku, "name, full", price\nA, "Mug, ""blue""", 2\n')
        assert read_rows(path) == [{"sku": "A", "name, full": 'Mug, "blue"', "price": "2"}]

    def test_quotation_marks_within_a_cell(self, write: Write):
        assert read_rows(write('sku,name 5",price\nA,nail 2",1\n')) == [
            {"sku": "A", 'name 5"': 'nail 2"', "price": "1"}
        ]

    def test_a_nul_within_a_cell(self, write: Write):
        content = "sku,product_name,price\n" + "A,Mug,1\n" * 9 + "B,P\x00late,2\x00.50\n"
        found, options = find_format(file := SourceFile(write(content), LIMITS), Options())
        *_, last = found.read(file, options)
        assert isinstance(last, Parsed)
        assert isinstance(last.record, ProductRecord)
        assert (last.record.name, last.record.price) == ("Plate", Decimal("2.50"))

    @pytest.mark.parametrize(
        "header",
        ['"sku; full","price | net; and gross;","name"', 'sku,"a;b;c\n;;;;;;",name', "'sku;',price,name"],
    )
    def test_delimiters_within_quoted_names(self, write: Write, header: str):
        ((_, row),) = SourceFile(write(header + "\nA,1,x;y;z;\n"), LIMITS).rows()
        assert list(row.values()) == ["A", "1", "x;y;z;"]

    @pytest.mark.parametrize(
        "content", ["email\na@example.com\nb@example.com\n", '"email"\n"a@example.com"\nb@example.com']
    )
    def test_one_column(self, write: Write, content: str):
        assert read_rows(write(content)) == [{"email": "a@example.com"}, {"email": "b@example.com"}]

    @pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
    def test_line_ends(self, write: Write, line_end: str):
        path = write(line_end.join(["sku;price;name", "A;1;x,y,z,", ""]))
        assert read_rows(path) == [{"sku": "A", "price": "1", "name": "x,y,z,"}]

    @pytest.mark.parametrize("first", ["sep=;\r\n", "SEP=;\n"])
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
    def test_the_line_in_which_excel_names_the_delimiter(self, write: Write, first: str, encoding: str):
        path = write((first + "sku;price,name\nA;1,2\n").encode(encoding))
        file = SourceFile(path, LIMITS)
        assert (file.header(), list(file.rows())) == (["sku", "price,name"], [(2, {"sku": "A", "price,name": "1,2"})])

    def test_columns_without_a_name_are_left_out(self, write: Write):
        file = SourceFile(write(",sku,,price,,\n0,A,x,1\n1,B,,2,,\n"), LIMITS)
        assert file.header() == ["sku", "price"]
        assert [row for _, row in file.rows()] == [{"sku": "A", "price": "1"}, {"sku": "B", "price": "2"}]

    def test_cells_behind_the_last_name(self, write: Write):
        """Nobody knows whether it is a remark, or a comma that nobody quoted."""
        assert str(refusal(write("sku,price,\nA,1,x\n"), read_rows)) == "Row 2 has 3 cells, the header has 2."

    def test_blank_rows_above_the_header(self, write: Write):
        file = SourceFile(write("\n,,\nsku,price,name\nA,1,x\n"), LIMITS)
        assert file.header() == ["sku", "price", "name"]
        assert list(file.rows()) == [(4, {"sku": "A", "price": "1", "name": "x"})]


class TestLaidOut:
    """Files that tell neither their columns nor what stands between them."""

    def test_a_given_header(self, write: Write):
        file = SourceFile(write("A;1,5\nB;2\n"), LIMITS).laid_out(["sku", " price "], None)
        assert file.header() == ["sku", "price"]
        assert list(file.rows()) == [(1, {"sku": "A", "price": "1,5"}), (2, {"sku": "B", "price": "2"})]

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
    def test_whitespace(self, write: Write, encoding: str):
        content = ' 00004 0001 19970101  2   29.33\r\n\r\n 00004\t0002 19970118  2 "29.73\r\n'
        file = SourceFile(write(content.encode(encoding)), LIMITS).laid_out(["a", "b", "c", "d", "e"], "whitespace")
        assert [(number, list(row.values())) for number, row in file.rows()] == [
            (1, ["00004", "0001", "19970101", "2", "29.33"]),
            (3, ["00004", "0002", "19970118", "2", '"29.73']),
        ]

    @pytest.mark.parametrize("line", [" 1 2", " 1 2 3 4"])
    def test_whitespace_shows_no_blank_cell(self, write: Write, line: str):
        path = write(f"1 2 3\n{line}\n")
        error = refusal(
            path, lambda path, _: list(SourceFile(path, LIMITS).laid_out(["a", "b", "c"], "whitespace").rows())
        )
        assert str(error) == f"Row 2 has {len(line.split())} cells, the header has 3."

    def test_a_whitespace_file_with_a_header(self, write: Write):
        file = SourceFile(write("sku   price\n A\t1\n"), LIMITS).laid_out(None, "whitespace")
        assert (file.header(), list(file.rows())) == (["sku", "price"], [(2, {"sku": "A", "price": "1"})])

    def test_a_given_delimiter(self, write: Write):
        file = SourceFile(write("sku|name;a;b\nA|x\n"), LIMITS).laid_out(None, "|")
        assert (file.header(), list(file.rows())) == (["sku", "name;a;b"], [(2, {"sku": "A", "name;a;b": "x"})])

    def test_a_file_that_begins_like_json(self, write: Write):
        file = SourceFile(write("[1],A\n"), LIMITS)
        assert file.is_json
        laid_out = file.laid_out(["id", "sku"], ",")
        assert not laid_out.is_json
        assert list(laid_out.rows()) == [(1, {"id": "[1]", "sku": "A"})]
        assert file.is_json

    def test_not_utf_8(self, write: Write):
        path = write(b"A 1\nCaf\xe9 2\n")
        error = refusal(path, lambda path, _: list(SourceFile(path, LIMITS).laid_out(["a", "b"], "whitespace").rows()))
        assert 'byte 0xe9 after "Caf"' in str(error)


class TestJson:
    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            ('[{"id": 1}, {"id": 2}]', [{"id": 1}, {"id": 2}]),
            ('{"data": [{"id": 1}, {"id": 2}]}', [{"id": 1}, {"id": 2}]),
            ('{"meta": {"page": 1}, "data": [{"id": 1}]}', [{"id": 1}]),
            ('{"data": {"id": 1}}', [{"id": 1}]),
            ('{"id": 1, "lines": [{"data": 3}]}', [{"id": 1, "lines": [{"data": 3}]}]),
            ('{"id": 1, "data": "x"}', [{"id": 1, "data": "x"}]),
            ('{\n  "id": 1\n}\n', [{"id": 1}]),
            ("[]", []),
            ('{"data": []}', []),
        ],
    )
    def test_bare_list_envelope_and_single_object(self, write: Write, content: str, expected: list[Any]):
        assert read_values(write(content)) == expected

    def test_a_stores_error_is_no_envelope(self, write: Write):
        answer = {"code": "woocommerce_rest_cannot_view", "message": "Sorry.", "data": {"status": 401}}
        assert read_values(write(answer)) == [answer]

    def test_a_bad_line_of_ndjson_leaves_the_others(self, write: Write):
        first, bad, last = read_values(write('{"id": 1}\n{"id": 2,\n{"id": 3}\n'))
        assert (first, last) == ({"id": 1}, {"id": 3})
        assert isinstance(bad, BadLine)
        assert str(bad).startswith("not JSON: ")
        assert bad.raw == '{"id": 2,'

    def test_half_a_surrogate_pair(self, write: Write):
        """JSON can write what is no character; what comes of it can be written as UTF-8 again."""
        for value in read_values(write('[{"name": "\\ud83d"}]')):
            assert value["name"].encode()


class TestLimits:
    def test_a_gzip_bomb(self, write: Write):
        content = gzip.compress(b"sku,price\n" + b"A,1\n" * 300_000)
        assert len(content) < 10_000
        error = refusal(write(content), read_rows, SMALL)
        assert error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        assert "1 MiB (MAX_UNPACKED_MB)" in str(error)

    @pytest.mark.parametrize(
        "content",
        [
            "sku,name\nA," + "x" * 2000 + "\n",
            'sku,name\nA,"' + "x\n" * 2000,
            '{"id": 1}\n{"id": 2, "name": "' + "x" * 2000 + '"}\n',
            '[{"id": 1}, {"id": 2, "name": "' + "x" * 4000 + '"}, {"id": 3}]',
            '{"data": [{"id": 1, "name": "' + "x" * 4000 + '"}]}',
            '{"id": 1, "names": [' + '"x", ' * 1000 + '"x"]}',
        ],
    )
    def test_a_record_that_is_too_large(self, write: Write, content: str):
        error = refusal(write(content), read_rows if content.startswith("sku") else read_values, SMALL)
        assert error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        assert "1024 bytes (MAX_RECORD_BYTES)" in str(error)

    def test_many_small_records_are_not_one_large_one(self, write: Write):
        records = [{"id": number, "name": "x" * 500} for number in range(200)]
        assert read_values(write(records), SMALL) == records
        assert read_values(write({"data": records}), SMALL) == records
