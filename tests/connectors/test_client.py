"""Asking a store: retries, limits, and errors in words."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from app.connectors.client import HttpOptions, open_client, read_json
from app.connectors.errors import StoreError, StoreRefused, StoreUnavailable
from app.connectors.pace import TokenBucket
from tests.sync.conftest import IMPATIENT

ADDRESS = "https://rise.example/"


def client_of(answer: Callable[[httpx.Request], httpx.Response], **options: Any) -> Any:
    options = {"patience": IMPATIENT} | options
    return open_client(ADDRESS, HttpOptions(**options), TokenBucket(1e6, 1e6), transport=httpx.MockTransport(answer))


def answers(*given: httpx.Response | Exception) -> Callable[[httpx.Request], httpx.Response]:
    """One after the other; the last one again and again."""
    left = list(given)

    def answer(_: httpx.Request) -> httpx.Response:
        found = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(found, Exception):
            raise found
        return httpx.Response(found.status_code, headers=found.headers, content=found.content)

    return answer


OK = httpx.Response(200, json=[1])


@pytest.mark.parametrize(
    "passing",
    [
        httpx.Response(429, headers={"Retry-After": "0"}),
        httpx.Response(429, headers={"Retry-After": "Tue, 01 Sep 2026 10:00:00 GMT"}),
        httpx.Response(503, text="<html><title>Maintenance</title></html>"),
        httpx.Response(508),
        httpx.Response(500, text="<html>"),
        httpx.Response(200, text="<html>a login page</html>"),
        httpx.Response(200, text='[{"id": 1}, {"id"'),
        httpx.ReadError("reset"),
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("peer closed"),
    ],
)
async def test_what_passes_is_tried_again(passing: Any):
    async with client_of(answers(passing, passing, OK)) as client:
        assert (await client.ask("GET", "x")).payload == [1]
        assert client.requests == 3


@pytest.mark.parametrize(
    ("failing", "says"),
    [
        (
            httpx.Response(503, text="<title>Briefly\n unavailable &amp; back soon</title>"),
            "“Briefly unavailable & back",
        ),
        (httpx.Response(429), "429 Too Many Requests"),
        (httpx.Response(200, text="<title>Log in</title>"), "no JSON: a web page titled “Log in”"),
        (httpx.ConnectError("All connection attempts failed"), "cannot be reached"),
        (httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] expired (_ssl.c:1)"), "certificate"),
        (httpx.ConnectTimeout(""), "connection in time"),
    ],
)
async def test_what_does_not_pass_is_told_in_words(failing: Any, says: str):
    async with client_of(answers(failing)) as client:
        with pytest.raises(StoreUnavailable) as raised:
            await client.ask("GET", "x", params={"consumer_secret": "cs_hidden"})
    assert says in str(raised.value)
    assert "rise.example" in str(raised.value)
    assert "cs_hidden" not in str(raised.value)
    assert client.requests == IMPATIENT.attempts


async def test_retry_after_is_waited_for_within_reason():
    async with client_of(answers(httpx.Response(429, headers={"Retry-After": "3600"}))) as client:
        with pytest.raises(StoreUnavailable):
            await client.ask("GET", "x")
    assert client.requests == 1


async def test_an_error_that_the_shop_explains_is_not_asked_again():
    explained = httpx.Response(500, json={"code": "woocommerce_rest_cannot_create_order_refund", "message": "too much"})
    async with client_of(answers(explained)) as client:
        assert (await client.ask("GET", "x")).status == 500
        assert client.requests == 1


async def test_redirects_are_not_followed():
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.host)
        return httpx.Response(301, headers={"Location": "https://elsewhere.example/wp-json/"})

    async with client_of(answer) as client:
        with pytest.raises(StoreError, match=r"elsewhere\.example"):
            await client.ask("GET", "x")
    assert seen == ["rise.example"]


async def test_an_answer_without_end():
    big = httpx.Response(200, content=b"[" + b"1," * 1_000_000)
    async with client_of(answers(big), max_bytes=1024 * 1024) as client:
        with pytest.raises(StoreError, match="more than 1 MiB"):
            await client.ask("GET", "x")


@pytest.mark.parametrize(
    "body",
    [
        b'[{"id": 1}]',
        b'\xef\xbb\xbf[{"id": 1}]',
        b'<br />\n<b>Notice</b>: Undefined index [page] in {x}\n[{"id": 1}]',
        b'\n\n  [{"id": 1}]\n',
    ],
)
def test_json_behind_what_php_printed(body: bytes):
    assert read_json(body) == [{"id": 1}]


class TestAddresses:
    @pytest.mark.parametrize(
        "address",
        ["http://127.0.0.1:9", "http://localhost:9", "http://[::1]:9", "http://169.254.169.254", "http://10.0.0.7"],
    )
    async def test_our_own_network_is_not_asked(self, address: str):
        async with open_client(address, HttpOptions(patience=IMPATIENT), TokenBucket(9, 9)) as client:
            with pytest.raises(StoreRefused, match="ALLOW_PRIVATE_ADDRESSES"):
                await client.ask("GET", "x")

    async def test_it_is_where_that_is_allowed(self):
        options = HttpOptions(patience=IMPATIENT, allow_private=True)
        async with open_client("http://127.0.0.1:9", options, TokenBucket(9, 9)) as client:
            with pytest.raises(StoreUnavailable, match="cannot be reached"):
                await client.ask("GET", "x")

    async def test_an_unknown_host(self):
        async with open_client("https://nobody.invalid", HttpOptions(patience=IMPATIENT), TokenBucket(9, 9)) as client:
            with pytest.raises(StoreUnavailable, match="is not known"):
                await client.ask("GET", "x")

    async def test_the_checked_address_is_the_one_connected_to(self, monkeypatch: pytest.MonkeyPatch):
        """Whatever DNS answers the second time; the certificate is that of the name all the same."""
        from app.connectors.guard import GuardedTransport

        looked_up = []

        async def look_up(host: str, port: int, **_: Any) -> Any:
            looked_up.append(host)
            return [(2, 1, 6, "", ("93.184.216.34" if len(looked_up) == 1 else "127.0.0.1", port))]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up)
        asked: list[httpx.Request] = []

        def answer(request: httpx.Request) -> httpx.Response:
            asked.append(request)
            return httpx.Response(200)

        inner = httpx.MockTransport(answer)
        async with httpx.AsyncClient(transport=GuardedTransport(inner, allow_private=False)) as http:
            await http.get("https://rise.example/wp-json/")
        (request,) = asked
        assert (request.url.host, request.headers["host"]) == ("93.184.216.34", "rise.example")
        assert request.extensions["sni_hostname"] == "rise.example"
        assert looked_up == ["rise.example"]


class TestPace:
    async def test_more_than_the_bucket_holds_waits(self, monkeypatch: pytest.MonkeyPatch):
        waited: list[float] = []

        async def sleep(seconds: float) -> None:
            waited.append(seconds)

        monkeypatch.setattr(asyncio, "sleep", sleep)
        bucket = TokenBucket(rate=2.0, size=3.0)
        for _ in range(3):
            await bucket.take()
        assert waited == []
        await bucket.take()
        assert waited == [pytest.approx(0.5, abs=0.05)]

    async def test_the_store_corrects_it(self):
        bucket = TokenBucket(rate=1000.0, size=10.0)
        bucket.correct(0.0, rate=1000.0, size=50.0)
        assert bucket.size == 50.0
