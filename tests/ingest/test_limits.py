"""Limits of what is imported, each at a small value: 413, a sentence that names the setting, and nothing left."""

import gzip
import json
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.service import create_token
from app.config import Settings
from app.database import Database
from app.ingest.reading import Limits, SourceFile, UnreadableFile
from app.main import create_app
from tests.builders import create_admin
from tests.ingest.payloads import as_csv, as_ndjson, shopify_row

URL = "/api/v1/imports"
MIB = 1024 * 1024
AMPLE = Limits(unpacked_bytes=64 * MIB, record_bytes=MIB)
# More rows than staging takes at a time, so that a refusal further down finds some written.
ROWS = 2_500
ORDERS = as_csv(*(shopify_row(f"#{number}") for number in range(ROWS)))
ROW = b"TEA-1,1.00," + b"x" * 500 + b"\n"
HUGE = as_csv(shopify_row("#9999", Lineitem_name="x" * 5_000)).split("\n", 1)[1]


def repeated(size: int) -> bytes:
    """A CSV file of about that many bytes, which gzip makes a thousand times smaller."""
    return b"sku,price,product_name\n" + ROW * (size // len(ROW))


def refusal(path: Path, limits: Limits) -> str:
    with pytest.raises(UnreadableFile) as raised:
        list(SourceFile(path, limits).rows())
    assert raised.value.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    return str(raised.value)


class TestFiles:
    @pytest.mark.parametrize("pack", [gzip.compress, bytes])
    def test_unpacked_bytes(self, write: Callable[[Any], Path], pack: Callable[[bytes], bytes]):
        path = write(pack(repeated(800_000)))
        limits = Limits(unpacked_bytes=MIB // 2, record_bytes=1024)
        assert refusal(path, limits) == "The file unpacks to more than 0.5 MiB (MAX_UNPACKED_MB)."
        assert len(list(SourceFile(path, AMPLE).rows())) == 800_000 // len(ROW)

    def test_unpack_ratio(self, write: Callable[[Any], Path]):
        packed = gzip.compress(repeated(8 * MIB))
        assert len(packed) * 250 < 8 * MIB
        path = write(packed)
        assert refusal(path, AMPLE) == "The file unpacks to more than 250 times its size (MAX_UNPACK_RATIO)."
        larger = Limits(unpacked_bytes=64 * MIB, record_bytes=1024, unpack_ratio=1_100)
        assert len(list(SourceFile(path, larger).rows())) == 8 * MIB // len(ROW)

    def test_the_ratio_is_of_what_was_read_so_far(self, write: Callable[[Any], Path]):
        """Much of what does not shrink, behind it, does not hide a bomb."""
        incompressible = b"".join(b"TEA-%d,1.00\n" % (number * 2654435761 % 2**32) for number in range(100_000))
        path = write(gzip.compress(repeated(16 * MIB)) + gzip.compress(incompressible))
        assert path.stat().st_size * 250 > 16 * MIB + len(incompressible)
        assert "MAX_UNPACK_RATIO" in refusal(path, AMPLE)

    def test_the_ratio_of_a_small_file_does_not_matter(self, write: Callable[[Any], Path]):
        strict = Limits(unpacked_bytes=64 * MIB, record_bytes=1024, unpack_ratio=2)
        assert len(list(SourceFile(write(gzip.compress(repeated(1_000_000))), strict).rows())) == 1_000_000 // len(ROW)
        assert "more than 2 times" in refusal(write(gzip.compress(repeated(MIB + MIB // 2))), strict)

    def test_a_file_that_is_not_packed_has_no_ratio(self, write: Callable[[Any], Path]):
        strict = Limits(unpacked_bytes=64 * MIB, record_bytes=1024, unpack_ratio=1)
        assert len(list(SourceFile(write(repeated(2 * MIB)), strict).rows())) == 2 * MIB // len(ROW)

    @pytest.mark.parametrize(
        "content",
        [
            "sku,name\nA," + "x" * 2_000,
            "sku,name\n" + "," * 2_000 + "\n",
            'sku,name\n"' + "\n" * 2_000 + '"\n',
            "sku,name\n" + '"\n",' * 1_000 + "\n",
            '"sku,name"\n"A,""' + "x" * 2_000 + '"""\n',
            '"sku,name"\n"A,""x"\n' + '"B,y"\n' * 300,
            "x" * 2_000,
        ],
        ids=["cell", "cells", "lines", "cells of lines", "wrapped", "torn", "header"],
    )
    def test_record_bytes(self, write: Callable[[Any], Path], content: str):
        assert "larger than 1024 bytes (MAX_RECORD_BYTES)" in refusal(write(content), Limits(64 * MIB, 1024))

    def test_record_bytes_of_whitespace_files(self, write: Callable[[Any], Path]):
        file = SourceFile(write("1 2\n" + "1 " * 1_000 + "\n"), Limits(64 * MIB, 1024))
        with pytest.raises(UnreadableFile, match="MAX_RECORD_BYTES"):
            list(file.laid_out(["a", "b"], "whitespace").rows())

    def test_many_small_rows_are_not_one_large_one(self, write: Callable[[Any], Path]):
        for content in ("sku,name\n" + "A,1\n" * 5_000, '"sku,name"\n' + '"A,1"\n' * 5_000):
            assert len(list(SourceFile(write(content), Limits(64 * MIB, 1024)).rows())) == 5_000


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where uploads are kept while they are read."""
    folder = tmp_path / "spool"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


class TestUploads:
    @pytest.fixture(autouse=True)
    def _arrange(self, settings: Settings, test_database: Database, session: AsyncSession, spool: Path) -> None:
        self.settings, self.database, self.session, self.spool = settings, test_database, session, spool

    @asynccontextmanager
    async def limited(self, **limits: Any) -> AsyncIterator[httpx.AsyncClient]:
        app = create_app(self.settings.model_copy(update=limits), self.database)
        admin = await create_admin(self.session)
        headers = {"Authorization": f"Bearer {create_token(app.state.token_settings, admin.id)}"}
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as api:
            yield api

    @staticmethod
    async def upload(api: httpx.AsyncClient, content: str | bytes) -> httpx.Response:
        return await api.post(URL, files={"file": ("orders.csv", content)}, data={"source_website": "never-seen"})

    async def assert_nothing_is_left(self) -> None:
        for table in ("imports", "import_records", "import_rejects"):
            assert await self.session.scalar(text(f"SELECT count(*) FROM {table}")) == 0
        assert await self.session.scalar(text("SELECT count(*) FROM websites WHERE name = 'never-seen'")) == 0
        assert list(self.spool.iterdir()) == []

    @pytest.mark.parametrize(
        ("limits", "content", "setting"),
        [
            ({"max_unpacked_mb": Decimal("0.25")}, ORDERS, "0.25 MiB (MAX_UNPACKED_MB)"),
            (
                {"max_unpacked_mb": Decimal("0.25")},
                gzip.compress(ORDERS.encode(), mtime=0),
                "0.25 MiB (MAX_UNPACKED_MB)",
            ),
            (
                {"max_unpack_ratio": 20},
                gzip.compress(ORDERS.encode() * 6, mtime=0),
                "20 times its size (MAX_UNPACK_RATIO)",
            ),
            ({}, gzip.compress(repeated(8 * MIB), mtime=0), "250 times its size (MAX_UNPACK_RATIO)"),
            ({"max_record_bytes": 2048}, ORDERS + HUGE, "2048 bytes (MAX_RECORD_BYTES)"),
            (
                {"max_record_bytes": 2048},
                as_ndjson({"email": "a@example.com"}, {"email": "x" * 3_000}),
                "MAX_RECORD_BYTES",
            ),
            ({"max_record_bytes": 2048}, json.dumps([{"email": "x" * 9_000}]), "MAX_RECORD_BYTES"),
        ],
    )
    async def test_too_large(self, limits: dict[str, Any], content: str | bytes, setting: str):
        assert isinstance(content, bytes) or setting != "0.25 MiB (MAX_UNPACKED_MB)" or len(content) > MIB // 4
        async with self.limited(**limits) as api:
            answer = await self.upload(api, content)
        assert answer.status_code == 413, answer.text
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert setting in answer.json()["detail"]
        await self.assert_nothing_is_left()

    async def test_within_the_limits(self):
        async with self.limited(max_record_bytes=6_000, max_unpacked_mb=Decimal(1)) as api:
            answer = await self.upload(api, ORDERS + HUGE)
        assert (answer.status_code, answer.json()["read"]) == (202, ROWS + 1)

    @pytest.mark.parametrize("tells_its_length", [True, False])
    async def test_an_upload_is_refused_while_it_arrives(self, tells_its_length: bool):
        head = (
            b'--x\r\nContent-Disposition: form-data; name="source_website"\r\n\r\nnever-seen\r\n'
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="orders.csv"\r\n\r\n'
        )
        sent = 0

        async def body() -> AsyncIterator[bytes]:
            nonlocal sent
            yield head
            for _ in range(1_000):
                sent += 1
                yield b"x" * 10_000
            yield b"\r\n--x--\r\n"

        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        if tells_its_length:
            headers["Content-Length"] = "10000500"
        async with self.limited(max_upload_mb=Decimal("0.1")) as api:
            answer = await api.post(URL, content=body(), headers=headers)
        assert answer.status_code == 413, answer.text
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert sent <= (0 if tells_its_length else 12)
        await self.assert_nothing_is_left()


@pytest.mark.parametrize("name", ["max_upload_mb", "max_unpacked_mb", "max_unpack_ratio", "max_record_bytes"])
def test_a_limit_is_above_zero(name: str):
    with pytest.raises(ValueError, match=name):
        Settings.model_validate({name: 0})
