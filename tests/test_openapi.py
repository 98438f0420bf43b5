"""The OpenAPI document: what it promises, and schemathesis holding a running server to it."""

import asyncio
import re
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
import uvicorn
from fastapi import FastAPI
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.auth.models import AdminUser
from app.auth.service import create_token
from app.config import Settings
from app.database import Database
from app.main import create_app
from tests.builders import create_address, create_admin, create_order

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

PLAN = {
    "/api/v1/auth/register": {"post"},
    "/api/v1/auth/login": {"post"},
    "/api/v1/auth/me": {"get"},
    "/api/v1/users": {"post", "get"},
    "/api/v1/users/{user_id}": {"get", "put", "delete"},
    "/api/v1/users/{user_id}/addresses": {"post", "get"},
    "/api/v1/users/{user_id}/addresses/{address_id}": {"put", "delete"},
    "/api/v1/products": {"post", "get"},
    "/api/v1/products/{product_id}": {"get", "put", "delete"},
    "/api/v1/orders": {"post", "get"},
    "/api/v1/orders/{order_id}": {"get", "put", "delete"},
    "/api/v1/orders/{order_id}/details": {"post", "get"},
    "/api/v1/orders/{order_id}/details/{detail_id}": {"put", "delete"},
}


@pytest.fixture(scope="module")
def document(app: FastAPI) -> dict[str, Any]:
    return app.openapi()


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_endpoint_of_the_plan_is_there_once(document: dict[str, Any]):
    for path, methods in PLAN.items():
        assert methods <= document["paths"][path].keys()
    assert not [path for path in document["paths"] if path.endswith("/")]


def test_operations_have_unique_names_summaries_and_tags(document: dict[str, Any]):
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))
    for path, method, operation in operations(document):
        assert operation.get("tags"), (path, method)
        assert operation.get("description"), (path, method)


def test_problem_responses_are_declared(document: dict[str, Any]):
    for path, method, operation in operations(document):
        declared = operation["responses"]
        for status in declared:
            if int(status) >= 400:
                assert list(declared[status]["content"]) == ["application/problem+json"], (path, method, status)
        if operation.get("security"):
            assert "401" in declared, (path, method)
        if "{" in path:
            assert "404" in declared, (path, method)


def test_protected_operations_name_the_scheme(document: dict[str, Any]):
    bearer: dict[str, list[str]] = {"OAuth2PasswordBearer": []}
    expected = {"register_admin": [bearer, {}], "log_in": None, "check_alive": None, "check_ready": None}
    expected |= {"receive_webhook": []}  # which carries a signature
    for _, _, operation in operations(document):
        name = operation["operationId"]
        assert operation.get("security") == expected.get(name, [bearer]), name


def test_schemas_have_examples(document: dict[str, Any]):
    for name in ("ProductCreate", "UserCreate", "OrderCreate", "AddressCreate", "AdminCreate"):
        properties = document["components"]["schemas"][name]["properties"]
        assert any("examples" in value for value in properties.values()), name


@pytest.fixture(scope="module")
def served(live_database_url: str, settings: Settings) -> Iterator[tuple[str, str]]:
    """The address of a server on a database with a few rows, and a token for it."""
    started = threading.Event()
    found: dict[str, Any] = {}

    async def fill(database: Database) -> AdminUser:
        async with database.sessions.begin() as session:
            for _ in range(2):
                order = await create_order(session)
                user = await session.get_one(type(order).user.property.mapper.class_, order.user_id)
                await create_address(session, user)
            return await create_admin(session)

    async def run() -> None:
        database = Database(live_database_url)
        app = create_app(settings, database)
        admin = await fill(database)
        found["token"] = create_token(app.state.token_settings, admin.id)
        server = found["server"] = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None))
        serving = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 — uvicorn tells it by an attribute only
            await asyncio.sleep(0.01)
        found["port"] = server.servers[0].sockets[0].getsockname()[1]
        started.set()
        await serving

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    assert started.wait(30)
    yield f"http://127.0.0.1:{found['port']}", found["token"]
    found["server"].should_exit = True
    thread.join(30)


@schemathesis.serializer("application/x-ndjson")
def write_ndjson(_context: Any, value: Any) -> bytes:
    """Whatever text comes out: lines of JSON are a matter of luck, and what is none has to be refused well."""
    return str(value).encode(errors="replace")


# The document alone: no database is reached for it.
declared = create_app(Settings(_env_file=None, database_url="postgresql://nowhere/none", secret_key="-" * 32)).openapi()


@schemathesis.openapi.from_dict(declared).parametrize()
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_answers_are_as_declared(case: Case[Any], served: tuple[str, str]):
    address, token = served
    case.call_and_validate(base_url=address, headers={"Authorization": f"Bearer {token}"}, checks=CHECKS)


async def test_the_docs_page_needs_nothing_from_elsewhere(client: httpx.AsyncClient):
    page = await client.get("/docs")
    assert page.status_code == 200
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(links) == 3
    for link in links:
        assert link.startswith("/docs/assets/")
        assert (await client.get(link)).status_code == 200
    assert (await client.get("/", follow_redirects=False)).headers["Location"] == "/docs"
