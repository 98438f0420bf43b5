import json
import logging
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from app.config import Environment, Settings
from app.database import Database
from app.main import create_app
from app.runtime.logs import configure_logging


@pytest.fixture
async def failing(settings: Settings, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """An app with one endpoint that fails; on an app of its own, because routes cannot be taken away again."""
    app: FastAPI = create_app(settings, database)

    @app.get("/fails")
    async def fail() -> None:
        raise RuntimeError("the inner workings")

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def test_a_well_formed_request_id_comes_back(client: httpx.AsyncClient):
    answer = await client.get("/healthz", headers={"X-Request-ID": "trace-1.A_b"})
    assert answer.headers["x-request-id"] == "trace-1.A_b"


@pytest.mark.parametrize("given", ["", "has space", "x" * 65, "line\tbreak"])
async def test_any_other_is_replaced(client: httpx.AsyncClient, given: str):
    answer = await client.get("/healthz", headers={"X-Request-ID": given})
    assert answer.headers["x-request-id"] != given
    assert len(answer.headers["x-request-id"]) == 32


async def test_a_problem_names_its_request(client: httpx.AsyncClient):
    answer = await client.get("/nowhere", headers={"X-Request-ID": "mine"})
    assert answer.json()["request_id"] == "mine"


async def test_a_500_is_logged_with_its_traceback_and_tells_nothing(
    failing: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.INFO, "app.access"):
        answer = await failing.get("/fails", headers={"X-Request-ID": "mine"})
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == "mine"
    assert "inner workings" not in answer.text
    assert "RuntimeError: the inner workings" in caplog.text
    assert caplog.text.count("Traceback") == 1
    assert "GET /fails 500" in caplog.text


@pytest.fixture
def reading(settings: Settings, database: Database) -> FastAPI:
    """An app with one endpoint that reads what it is sent."""

    async def read(request: Request) -> Response:
        return Response(await request.body())

    app = create_app(settings, database)
    app.add_route("/reads", read, methods=["POST"])
    return app


async def test_a_client_that_goes_away_half_way_is_no_failure(reading: FastAPI, caplog: pytest.LogCaptureFixture):
    came: list[Message] = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]

    async def receive() -> Message:
        return came.pop(0)

    async def send(_: Message) -> None: ...

    with caplog.at_level(logging.INFO, "app.access"):
        await reading(
            {"type": "http", "method": "POST", "path": "/reads", "query_string": b"", "headers": []}, receive, send
        )
    assert not came
    assert "Traceback" not in caplog.text
    assert "POST /reads 499" in caplog.text


@pytest.fixture
def _restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:]
    yield
    configure_logging(Environment.DEVELOPMENT)
    root.handlers[:] = before


@pytest.mark.usefixtures("_restored_logging")
def test_production_logs_one_json_object_a_line(capsys: pytest.CaptureFixture[str]):
    configure_logging(Environment.PRODUCTION)
    logging.getLogger("app.test").warning("two\nlines of %s", "text")
    try:
        raise ValueError("reason")
    except ValueError:
        logging.getLogger("app.test").exception("failed")
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (first["level"], first["logger"], first["message"]) == ("WARNING", "app.test", "two\nlines of text")
    assert first["request_id"] == "-"
    assert first["time"]
    assert "ValueError: reason" in second["exc_info"]


@pytest.mark.usefixtures("_restored_logging")
def test_development_logs_readable_lines(capsys: pytest.CaptureFixture[str]):
    configure_logging(Environment.DEVELOPMENT)
    logging.getLogger("app.test").warning("hello")
    assert capsys.readouterr().err.endswith("WARNING app.test [-] hello\n")


@pytest.mark.parametrize("environment", list(Environment))
@pytest.mark.usefixtures("_restored_logging")
def test_addresses_that_hold_keys_are_not_logged(environment: Environment):
    """Some stores take their keys in the query, and an HTTP client would write that down."""
    configure_logging(environment)
    assert not [name for name in ("httpx", "httpcore") if logging.getLogger(name).isEnabledFor(logging.INFO)]
