"""Opening a file: gzip, encodings, limits, and its rows or JSON values one at a time, in bounded memory."""

import codecs
import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from http import HTTPStatus
from itertools import islice
from pathlib import Path
from typing import IO, Any, Protocol, cast

import ijson
import orjson
from ijson.common import JSONError

from app.utils.errors import AppError, FieldError

SNIFF_BYTES = 256 * 1024
# Around the records of a Shopify answer; around anybody's.
ENVELOPES = {"orders", "order", "customers", "customer", "products", "product", "refunds", "refund"}
DELIMITERS = ",;\t|"
WHITESPACE = "whitespace"
UNSUPPORTED = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
# How far a file may unpack before its ratio is looked at: small files of equal rows are no bombs.
RATIO_FREE_BYTES = 1024 * 1024
PEEKED_ROWS = 20

# Excel's own first line, which names the delimiter and is no row.
_SEPARATOR_LINE = re.compile(r"sep=([^\r\n\"])[ \t]*(?:\r\n|\r|\n)", re.IGNORECASE)
_QUOTED_CELL = re.compile(r'(^|[,;\t|\r\n]) *"(?:[^"]++|"")*+(?:"|\Z)')


class UnreadableFile(AppError):
    """The whole file cannot be taken; nothing of it is kept."""

    status = HTTPStatus.BAD_REQUEST

    def __init__(self, detail: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST, *, field: str = "file") -> None:
        super().__init__(detail)
        self.status = status  # type: ignore[misc]  # this one error has several
        if status == HTTPStatus.UNPROCESSABLE_ENTITY:
            self.errors = [FieldError(field=field, location="body", message=detail)]


class BadLine(ValueError):
    """A line of NDJSON that is no JSON; the message says why."""

    def __init__(self, reason: str, raw: str) -> None:
        super().__init__(reason)
        self.raw = raw


@dataclass(frozen=True)
class Limits:
    """`unpack_ratio` is how many times its compressed size a gzip file may unpack to."""

    unpacked_bytes: int
    record_bytes: int
    unpack_ratio: int = 250


class _Bounded(io.RawIOBase):
    """Reads on until the file has given more than the limits say: a gzip bomb ends here."""

    def __init__(self, raw: IO[bytes], source: IO[bytes], limits: Limits) -> None:
        self._raw = raw
        self._source = source
        self._limits = limits
        self._read = 0

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        for file in (self._source, self._raw):
            file.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        try:
            chunk = self._source.read(len(buffer))
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise UnreadableFile("The gzip file is damaged or cut off.") from None
        self._read += len(chunk)
        if self._read > self._limits.unpacked_bytes:
            raise UnreadableFile(
                f"The file unpacks to more than {self._limits.unpacked_bytes / 1024 / 1024:g} MiB (MAX_UNPACKED_MB).",
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            )
        if self._read > RATIO_FREE_BYTES and self._read > self._limits.unpack_ratio * self._raw.tell():
            raise UnreadableFile(
                f"The file unpacks to more than {self._limits.unpack_ratio} times its size (MAX_UNPACK_RATIO).",
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            )
        buffer[: len(chunk)] = chunk
        return len(chunk)


class Source(Protocol):
    """What a format reads from: a file, or the raw records of rejects that are tried again."""

    @property
    def is_json(self) -> bool: ...

    def header(self) -> list[str]:
        """The names of a CSV's columns."""
        ...

    def rows(self) -> Iterator[tuple[int, dict[str, str]]]:
        """Each row of a CSV by column, with its number."""
        ...

    def values(self) -> Iterator[tuple[str, Any]]:
        """Each JSON value with its place; a BadLine for what is none."""
        ...

    def laid_out(self, header: Sequence[str] | None, delimiter: str | None) -> "Source":
        """The same, read as CSV with these column names in place of a header row, and this delimiter."""
        ...


class SourceFile:
    """A file whose beginning has been looked at. `rows` and `values` read it from the start, as often as asked."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self.path = path
        self.limits = limits
        with self._open() as file:
            self.head = file.read(SNIFF_BYTES)
        if not self.head.strip(b"\xef\xbb\xbf \t\r\n"):
            raise UnreadableFile("The file is empty.")
        if self.head.startswith(b"PK\x03\x04"):
            raise UnreadableFile(
                "This is a ZIP archive or a spreadsheet file. Unpack it, or save it as CSV.", UNSUPPORTED
            )
        self.encoding = self._find_encoding()
        self._header: list[str] | None = None
        self._separator: str | None = None

    @property
    def is_json(self) -> bool:
        return self._header is None and self._start().startswith(("{", "["))

    def laid_out(self, header: Sequence[str] | None, delimiter: str | None) -> "SourceFile":
        """As `Source.laid_out`; the delimiter "whitespace" is any run of blanks."""
        other = copy(self)
        other._header, other._separator = list(header) if header else None, delimiter
        return other

    def _open(self) -> io.BufferedReader:
        raw = self.path.open("rb")
        source: IO[bytes] = raw
        if raw.read(2) == b"\x1f\x8b":
            raw.seek(0)
            source = cast(IO[bytes], gzip.GzipFile(fileobj=raw))
        else:
            raw.seek(0)
        return io.BufferedReader(_Bounded(raw, source, self.limits), 256 * 1024)

    def _find_encoding(self) -> str:
        if self.head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
            raise UnreadableFile("The file is UTF-32. Save it as UTF-8 and try again.", UNSUPPORTED)
        if self.head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        beginning = self.head[:64]
        if b"\x00" in beginning:
            # Letters of UTF-16 have a zero beside them, all on the same side.
            if not any(beginning[::2]) or not any(beginning[1::2]):
                raise UnreadableFile(
                    "The file is UTF-16 without a byte order mark, which is guesswork. Save it as UTF-8 and try again.",
                    UNSUPPORTED,
                )
            raise UnreadableFile(
                "This is a binary file, neither CSV nor JSON; if it is text, save it as UTF-8.", UNSUPPORTED
            )
        return "utf-8-sig"

    @property
    def encoding_title(self) -> str:
        return "UTF-16, as its first bytes say" if self.encoding == "utf-16" else "UTF-8"

    def _start(self) -> str:
        # A notice that PHP printed before the JSON is not looked for: a file holds what was saved on purpose.
        return self.head.decode(self.encoding, errors="ignore").lstrip()

    def _text(self, *, newline: str | None) -> io.TextIOWrapper:
        return io.TextIOWrapper(self._open(), encoding=self.encoding, newline=newline)

    def _open_utf8(self) -> io.BufferedReader:
        if self.encoding == "utf-16":
            return io.BufferedReader(_Recoded(self._text(newline="")), 256 * 1024)
        return self._open()

    def header(self) -> list[str]:
        """The names of a CSV file's columns, in order; columns without a name are left out."""
        if self._header is not None:
            return [name.strip() for name in self._header]
        with self._text(newline="") as file:
            names, _ = self._read_names(self._records(file, self._find_layout()))
            return [name for name in names if name]

    def _find_layout(self) -> "_Layout":
        text = self.head.decode(self.encoding, errors="ignore")
        separator_line = _SEPARATOR_LINE.match(text)
        if separator_line:
            text = text[separator_line.end() :]
        delimiter = self._separator or (separator_line and separator_line[1]) or self._find_fitting_delimiter(text)
        if delimiter == WHITESPACE:
            return _Layout(delimiter)
        first = self._peek_row(text, delimiter or ",")
        inner = _find_delimiter(first[0]) if first and not any(first[1:]) else ""
        if inner and self._header is not None and len(self._peek_row(first[0], inner)) != len(self._header):
            inner = ""
        return _Layout(delimiter or inner or ",", inner or None, has_separator_line=separator_line is not None)

    def _find_fitting_delimiter(self, text: str) -> str:
        """By the number of columns where a header was given, else by what the header has most of."""
        if self._header is None:
            return _find_delimiter(text)
        width = len(self._header)
        fitting = {each: [len(row) for row in self._peek_rows(text, each)].count(width) for each in DELIMITERS}
        best = max(DELIMITERS, key=lambda each: fitting[each])
        return best if fitting[best] else _find_delimiter(text)

    def _peek_row(self, text: str, delimiter: str) -> list[str]:
        return next(iter(self._peek_rows(text, delimiter)), [])

    def _peek_rows(self, text: str, delimiter: str) -> list[list[str]]:
        """The first ones that are not blank; none where they cannot be read, of which reading the file will tell."""
        csv.field_size_limit(self.limits.record_bytes)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
        try:
            return list(islice(filter(any, reader), PEEKED_ROWS))
        except csv.Error:
            return []

    def _records(self, file: io.TextIOWrapper, layout: "_Layout") -> Iterator[list[str]]:
        """The cells of every row, the header's and blank ones among them."""
        csv.field_size_limit(self.limits.record_bytes)
        number = 0
        try:
            lines = _Lines(file, self)
            if layout.has_separator_line:
                next(lines)
            for number, cells in enumerate(layout.parse(lines), start=1):  # noqa: B007 — told where it ends
                lines.read_since = 0
                yield cells
        except UnicodeDecodeError as error:
            raise self._wrong_encoding(error) from None
        except csv.Error as error:
            raise UnreadableFile(f"The file is not valid CSV in row {number + 1}: {error}.") from None

    def _read_names(self, records: Iterator[list[str]]) -> tuple[list[str], int]:
        """The header up to its last name, with blanks where a column has none, and how many cells its row has."""
        if self._header is not None:
            return [name.strip() for name in self._header], len(self._header)
        for cells in records:
            names = [name.strip() for name in cells]
            while names and not names[-1]:
                del names[-1]
            if names:
                if names[-1][-1] in DELIMITERS:
                    raise UnreadableFile(
                        f"The header ends in {names[-1]!r}: a spreadsheet saved the file with another delimiter than "
                        "it had. Import the file as it was before."
                    )
                return names, len(cells)
        return [], 0

    def rows(self) -> Iterator[tuple[int, dict[str, str]]]:
        """Each row of a CSV file with its number, as a spreadsheet counts records: the header is row 1.

        A row with fewer cells than the header is filled up with blank ones; one with more that are not blank is
        refused, since nobody knows which cell belongs where. Cells of a column without a name are left out. A row
        that stands in quotation marks as a whole is taken apart, or refused.
        """
        layout = self._find_layout()
        with self._text(newline="") as file:
            records = enumerate(self._records(file, layout), start=1)
            names, header_cells = self._read_names(cells for _, cells in records)
            width = len(names)
            number, given = 0, list[str]()
            for number, given in records:
                cells = given if len(given) == width else layout.fit(number, given, width, header_cells)
                if any(cells):
                    row = dict(zip(names, cells, strict=True))
                    row.pop("", None)
                    yield number, row
        if any(given) and len(given) < width and not self._ends_in_line_break():
            raise UnreadableFile(
                f"The file is cut off in row {number}: it has {len(given)} cells, the header has {width}, and no line "
                "end comes behind it. Export or download it again."
            )

    def _ends_in_line_break(self) -> bool:
        last = ""
        with self._text(newline="") as file:
            for text in iter(lambda: file.read(1024 * 1024), ""):
                last = text[-1]
        return last in {"\n", "\r"}

    def _wrong_encoding(self, error: UnicodeDecodeError) -> UnreadableFile:
        """What stands in front of the byte helps to find it; where a text of another encoding begins, it is ASCII."""
        before = error.object[max(0, error.start - 24) : error.start].decode("ascii", errors="replace")
        words = before.replace("\ufffd", "").split("\n")[-1].strip()
        place = f' after "{words}"' if words and self.encoding != "utf-16" else ""
        return UnreadableFile(
            f"The file is not {self.encoding_title} (byte 0x{error.object[error.start]:02x}{place}). "
            "Save it as UTF-8 (Excel calls it CSV UTF-8) and try again; nothing of it was taken."
        )

    def values(self) -> Iterator[tuple[str, Any]]:
        """Each JSON value with its place: of a list, of `{"data": …}`, of one object, or of NDJSON lines.

        A line of NDJSON that is no JSON comes as a BadLine: the others can still be taken.
        """
        if self._is_ndjson():
            yield from self._lines()
        elif self._start().startswith("["):
            yield from self._items("item")
        else:
            yield from self._object()

    def _is_ndjson(self) -> bool:
        line, _, rest = self._start().partition("\n")
        if not line.lstrip().startswith("{") or not rest.strip():
            return False
        try:
            return isinstance(orjson.loads(line), dict)
        except orjson.JSONDecodeError:
            return False

    def _lines(self) -> Iterator[tuple[str, Any]]:
        with self._open_utf8() as file:
            for number, line in enumerate(iter(lambda: file.readline(self.limits.record_bytes + 1), b""), start=1):
                if len(line) > self.limits.record_bytes:
                    raise self.too_large(f"Line {number}")
                content = line.removeprefix(codecs.BOM_UTF8).strip()
                if not content:
                    continue
                try:
                    yield f"line {number}", orjson.loads(content)
                except orjson.JSONDecodeError as error:
                    yield f"line {number}", BadLine(f"not JSON: {error}", content.decode(errors="replace"))

    def _items(self, prefix: str) -> Iterator[tuple[str, Any]]:
        with self._reading_json() as file:
            for number, value in enumerate(ijson.items(file, prefix, buf_size=self._buffer), start=1):
                file.read_since = 0
                yield f"record {number}", value

    def _object(self) -> Iterator[tuple[str, Any]]:
        """One record, or envelopes around one or many, which may hold lists too long for memory."""
        number = 0
        for path in self._find_envelopes() or [""]:
            for number, (_, value) in enumerate(self._items(path), start=number + 1):  # noqa: B020 — counts on
                yield f"record {number}", value

    def _find_envelopes(self) -> list[str]:
        """What ijson calls the paths of the records: "data.item", "orders.item", "order"; none without an envelope.

        Envelopes are the keys of ENVELOPES that stand before any other, and `data`; but a store's error answer has
        `data` too, beside its `code` and `message`, and a record has an `id`.
        """
        found: list[str] = []
        names: set[str] = set()
        with self._reading_json() as file:
            for path, event, value in ijson.parse(file, buf_size=self._buffer):
                if not path and event == "map_key":
                    names.add(value)
                elif event not in {"start_array", "start_map"}:
                    continue
                elif (path == "data" and "code" not in names) or (path in ENVELOPES and names <= ENVELOPES):
                    found.append(f"{path}.item" if event == "start_array" else path)
                elif path in found:
                    file.read_since = 0
        return [] if "id" in names else found

    @property
    def _buffer(self) -> int:
        return min(64 * 1024, self.limits.record_bytes)

    @contextmanager
    def _reading_json(self) -> Iterator["_Utf8"]:
        try:
            with self._open_utf8() as file:
                yield _Utf8(file, self)
        except JSONError as error:
            reason = self._find_json_error() or one_line(error)
            raise UnreadableFile(f"The file is not valid JSON: {reason}.") from None
        except UnicodeError:
            raise UnreadableFile(f"The file is not {self.encoding_title}. Save it as UTF-8 and try again.") from None

    def _find_json_error(self) -> str | None:
        """Line and column, which the parser in use does not tell; only of a file that fits into memory."""
        with self._open_utf8() as file:
            content = file.read(self.limits.record_bytes + 1)
        if len(content) > self.limits.record_bytes:
            return None
        try:
            json.loads(content)
        except UnicodeDecodeError:
            return f"it is not {self.encoding_title}, save it as UTF-8"
        except ValueError as error:
            return one_line(error)
        return None

    def too_large(self, what: str) -> UnreadableFile:
        return UnreadableFile(
            f"{what} is larger than {self.limits.record_bytes} bytes (MAX_RECORD_BYTES).",
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        )


def _find_delimiter(text: str) -> str:
    """The one that the first row has most of, outside of quotation marks; '' where it has none."""
    line = re.split(r"[\r\n]", _QUOTED_CELL.sub(r'\1""', text.lstrip("\r\n ")), maxsplit=1)[0]
    found = max(DELIMITERS, key=line.count)
    return found if found in line else ""


@dataclass(frozen=True)
class _Layout:
    """How the rows of a CSV file are written.

    Opened with the wrong delimiter and saved again, each row of a file is one cell that holds the whole, perhaps with
    blank ones behind it: `delimiter` is then what stands between those, and `inner` the one of the rows themselves.
    """

    delimiter: str
    inner: str | None = None
    has_separator_line: bool = False

    def parse(self, lines: Iterable[str]) -> Iterator[list[str]]:
        if self.delimiter == WHITESPACE:
            return (line.split() for line in lines)
        # A blank before a quotation mark would make the mark a part of the cell, and its delimiters real ones.
        if self.inner is None:
            return csv.reader(lines, delimiter=self.delimiter, strict=True, skipinitialspace=True)
        outer = csv.reader(lines, delimiter=self.delimiter, strict=True)
        return csv.reader(self._unwrap(outer), delimiter=self.inner, strict=True, skipinitialspace=True)

    def _unwrap(self, rows: Iterable[list[str]]) -> Iterator[str]:
        """The lines that the file had: a cell of several lines was torn into several rows, and is joined again."""
        for number, cells in enumerate(rows, start=1):
            is_whole = not any(cells[1:])
            if self.delimiter == self.inner and len(cells) > 1:
                # Without delimiter and quotation mark the spreadsheet saw no need to quote: these are ordinary cells.
                is_whole = is_whole and (self.delimiter in cells[0] or '"' in cells[0])
            if is_whole:
                yield (cells[0] if cells else "") + "\n"
            elif self.delimiter == self.inner:
                line = io.StringIO()
                csv.writer(line, delimiter=self.inner, lineterminator="\n").writerow(cells)
                yield line.getvalue()
            else:
                raise UnreadableFile(
                    f"Row {number} has {len(cells)} cells, while the header stands in a single one as a whole."
                )

    def fit(self, number: int, cells: list[str], width: int, header_cells: int) -> list[str]:
        """Cells that are not as many as the header has names, made as many, or refused."""
        if not any(cells):
            return []
        # Where what stands between cells may have been lost, nobody knows which one is missing or too many.
        is_exact = self.inner is not None or self.delimiter == WHITESPACE
        if any(cells[width:]) or (is_exact and len(cells) != header_cells):
            raise UnreadableFile(f"Row {number} has {len(cells)} cells, the header has {width}.")
        if len(cells) > width:
            return cells[:width]
        if self.delimiter in cells[0] and not any(cells[1:]):
            return self._take_apart(number, cells[0], width)
        return cells + [""] * (width - len(cells))

    def _take_apart(self, number: int, whole: str, width: int) -> list[str]:
        try:
            (cells,) = csv.reader([whole], delimiter=self.delimiter, strict=True, skipinitialspace=True)
        except (csv.Error, ValueError):
            cells = []
        if len(cells) != width:
            raise UnreadableFile(
                f"Row {number} stands in quotation marks as a whole, and does not hold the header's {width} cells."
            )
        return cells


class _Lines:
    """The lines of a text, with a limit to what one record takes: `read_since` counts since the last one."""

    def __init__(self, file: io.TextIOWrapper, source: SourceFile) -> None:
        self._file = file
        self._source = source
        self._limit = source.limits.record_bytes
        self.read_since = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._file.readline(self._limit + 1)
        self.read_since += len(line)
        if self.read_since > self._limit:
            raise self._source.too_large("A row, or all that follows a quotation mark that is never closed,")
        if not line:
            raise StopIteration
        return line


class _Recoded(io.RawIOBase):
    """The text as UTF-8."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._text.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        chunk = self._text.read(len(buffer) // 4).encode()  # no character takes more than four bytes
        buffer[: len(chunk)] = chunk
        return len(chunk)


class _Utf8:
    """What ijson reads from: without the byte order mark it does not know, and with a limit to what one record takes.

    `read_since` counts the bytes since the last record, less what of the next one was in the chunk before.
    """

    def __init__(self, file: IO[bytes], source: SourceFile) -> None:
        self._file = file
        self._source = source
        self._begun = False
        self.read_since = 0

    def read(self, size: int = -1) -> bytes:
        if self.read_since > self._source.limits.record_bytes:
            raise self._source.too_large("A record")
        chunk = self._file.read(size)
        self.read_since += len(chunk)
        if not self._begun and size:
            self._begun = True
            return chunk.removeprefix(codecs.BOM_UTF8)
        return chunk


def one_line(error: Exception) -> str:
    """ijson's messages draw an arrow below the text; what comes before says enough."""
    return str(error).strip().split("\n", 1)[0].rstrip(".")
