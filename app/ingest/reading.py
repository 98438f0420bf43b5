"""Opening a file: gzip, encodings, limits, and its rows or JSON values one at a time, in bounded memory."""

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any, cast

import ijson
import orjson
from ijson.common import JSONError

from app.utils.errors import AppError, FieldError

SNIFF_BYTES = 256 * 1024
DELIMITERS = ",;\t|"


class UnreadableFile(AppError):
    """The whole file cannot be taken; nothing of it is kept."""

    status = HTTPStatus.BAD_REQUEST

    def __init__(self, detail: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(detail)
        self.status = status  # type: ignore[misc]  # this one error has several
        if status == HTTPStatus.UNPROCESSABLE_ENTITY:
            self.errors = [FieldError(field="file", location="body", message=detail)]


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
        self.is_json = self._start().startswith(("{", "["))

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

    def _start(self) -> str:
        # A notice that PHP printed before the JSON is not looked for: a file holds what was saved on purpose.
        return self.head.decode(self.encoding, errors="ignore").lstrip()

    def first_line(self) -> str:
        return self._start().split("\n", 1)[0]

    def _text(self, *, newline: str | None) -> io.TextIOWrapper:
        return io.TextIOWrapper(self._open(), encoding=self.encoding, newline=newline)

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
                f"The file is not UTF-8 (byte 0x{error.object[error.start]:02x}). Save it as UTF-8 and try again."
            ) from None
        except csv.Error as error:
            raise UnreadableFile(f"The file is not valid CSV: {error}.") from None

    def rows(self) -> Iterator[tuple[int, dict[str, str]]]:
        """Each row of a CSV file with its number, as a spreadsheet counts records: the header is row 1.

        A row with fewer cells than the header is filled up; one with more is refused, since nobody knows which
        cell belongs where.
        """
        with self._text(newline="") as file:
            reader = self._parse_csv(file)
            header = [name.strip() for name in next(reader, [])]
            for number, cells in enumerate(reader, start=2):
                if len(cells) > len(header):
                    raise UnreadableFile(f"Row {number} has {len(cells)} cells, the header has {len(header)}.")
                if any(cells):
                    yield number, dict(zip(header, cells, strict=False))

    def values(self) -> Iterator[tuple[str, Any]]:
        """Each JSON value with its place: of a list, of `{"data": …}`, of one object, or of NDJSON lines.

        A line of NDJSON that is no JSON comes as the ValueError that says why: the others can still be taken.
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
        with self._open() as file:
            for number, line in enumerate(iter(lambda: file.readline(self.limits.record_bytes + 1), b""), start=1):
                if len(line) > self.limits.record_bytes:
                    raise self._too_large(f"Line {number}")
                content = line.removeprefix(codecs.BOM_UTF8).strip()
                if not content:
                    continue
                try:
                    yield f"line {number}", orjson.loads(content)
                except orjson.JSONDecodeError as error:
                    yield f"line {number}", ValueError(f"not JSON: {error}: {content[:200].decode(errors='replace')}")

    def _items(self, prefix: str) -> Iterator[tuple[str, Any]]:
        try:
            with self._open() as file:
                for number, value in enumerate(ijson.items(_Utf8(file), prefix), start=1):
                    yield f"record {number}", value
        except (JSONError, UnicodeDecodeError) as error:
            raise UnreadableFile(f"The file is not valid JSON: {error}") from None

    def _object(self) -> Iterator[tuple[str, Any]]:
        """One record, or an envelope with the key `data`, which may hold a list too long for memory."""
        try:
            with self._open() as file:
                events = ijson.parse(_Utf8(file))
                enveloped = next((kind for prefix, kind, _ in events if prefix == "data"), None)
        except (JSONError, UnicodeDecodeError) as error:
            raise UnreadableFile(f"The file is not valid JSON: {error}") from None
        if enveloped == "start_array":
            yield from self._items("data.item")
        elif enveloped == "start_map":
            yield from self._items("data")
        else:
            with self._open() as file:
                if len(file.read(self.limits.record_bytes + 1)) > self.limits.record_bytes:
                    raise self._too_large("The record")
            yield from self._items("")

    def _too_large(self, what: str) -> UnreadableFile:
        return UnreadableFile(
            f"{what} is larger than {self.limits.record_bytes} bytes (MAX_RECORD_BYTES).",
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        )


class _Utf8:
    """What ijson reads from: without the byte order mark it does not know."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._begun = False

    def read(self, size: int = -1) -> bytes:
        chunk = self._file.read(size)
        if not self._begun and size:
            self._begun = True
            return chunk.removeprefix(codecs.BOM_UTF8)
        return chunk
