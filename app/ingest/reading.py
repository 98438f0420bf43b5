"""Opening a file: gzip, encodings, limits, and its rows or JSON values one at a time, in bounded memory."""

import codecs
import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from http import HTTPStatus
from itertools import zip_longest
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
    unpacked_bytes: int
    record_bytes: int


class _Bounded(io.RawIOBase):
    """Reads on until the file has given more than the limit: a gzip bomb ends here."""

    def __init__(self, raw: IO[bytes], source: IO[bytes], limit: int) -> None:
        self._raw = raw
        self._source = source
        self._left = limit
        self._limit = limit

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
        self._left -= len(chunk)
        if self._left < 0:
            raise UnreadableFile(
                f"The file unpacks to more than {self._limit // 1024 // 1024} MiB (MAX_UNPACKED_MB).",
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
                "This is a ZIP archive or a spreadsheet file. Unpack it, or save it as CSV.",
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
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
        return io.BufferedReader(_Bounded(raw, source, self.limits.unpacked_bytes), 256 * 1024)

    def _find_encoding(self) -> str:
        if self.head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        if b"\x00" in self.head[:64]:
            raise UnreadableFile("This is a binary file, neither CSV nor JSON.", HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        return "utf-8-sig"

    @property
    def encoding_title(self) -> str:
        return "UTF-16, as its first bytes say" if self.encoding == "utf-16" else "UTF-8"

    def _start(self) -> str:
        # A notice that PHP printed before the JSON is not looked for: a file holds what was saved on purpose.
        return self.head.decode(self.encoding, errors="ignore").lstrip()

    def first_line(self) -> str:
        return self._start().split("\n", 1)[0]

    def _text(self, *, newline: str | None) -> io.TextIOWrapper:
        return io.TextIOWrapper(self._open(), encoding=self.encoding, newline=newline)

    def _open_utf8(self) -> io.BufferedReader:
        if self.encoding == "utf-16":
            return io.BufferedReader(_Recoded(self._text(newline="")), 256 * 1024)
        return self._open()

    def header(self) -> list[str]:
        """The first row of a CSV file, by the delimiter that it uses."""
        with self._text(newline="") as file:
            return [name.strip() for name in next(self._parse_csv(file), [])]

    def _delimiter(self) -> str:
        line = self.first_line()
        return max(DELIMITERS, key=line.count)

    def _parse_csv(self, file: io.TextIOWrapper) -> Iterator[list[str]]:
        csv.field_size_limit(self.limits.record_bytes)
        try:
            yield from csv.reader(file, delimiter=self._delimiter(), strict=True)
        except UnicodeDecodeError as error:
            raise UnreadableFile(
                f"The file is not {self.encoding_title} (byte 0x{error.object[error.start]:02x}). "
                "Save it as UTF-8 (Excel calls it CSV UTF-8) and try again."
            ) from None
        except csv.Error as error:
            if "field limit" in str(error):
                raise self.too_large("A cell, or all that follows a quotation mark that is never closed,") from None
            raise UnreadableFile(f"The file is not valid CSV: {error}.") from None

    def rows(self) -> Iterator[tuple[int, dict[str, str]]]:
        """Each row of a CSV file with its number, as a spreadsheet counts records: the header is row 1.

        A row with fewer cells than the header is filled up with blank ones; one with more that are not blank is
        refused, since nobody knows which cell belongs where.
        """
        with self._text(newline="") as file:
            reader = self._parse_csv(file)
            header = [name.strip() for name in next(reader, [])]
            for number, cells in enumerate(reader, start=2):
                if any(cells[len(header) :]):
                    raise UnreadableFile(f"Row {number} has {len(cells)} cells, the header has {len(header)}.")
                if any(cells):
                    yield number, dict(zip_longest(header, cells[: len(header)], fillvalue=""))

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
        """One record, or an envelope around one or many, which may hold a list too long for memory."""
        yield from self._items(self._find_envelope())

    def _find_envelope(self) -> str:
        """What ijson calls the path of the records: "data.item", "data", or "" where there is no envelope.

        An envelope is an object whose first key is one of ENVELOPES, or that has `data`; but a store's error answer
        has `data` too, beside its `code` and `message`.
        """
        names: set[str] = set()
        with self._reading_json() as file:
            for prefix, event, value in ijson.parse(file, buf_size=self._buffer):
                if not prefix and event == "map_key":
                    names.add(value)
                elif event in {"start_array", "start_map"} and (
                    (prefix == "data" and "code" not in names) or (prefix in ENVELOPES and names == {prefix})
                ):
                    return f"{prefix}.item" if event == "start_array" else prefix
        return ""

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
