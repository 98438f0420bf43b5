"""Every error is a problem, whichever layer it comes from."""

from collections.abc import AsyncIterator

import httpx
import pytest

from app.main import MAX_JSON_BYTES


def check_problem(answer: httpx.Response, status: int) -> dict[str, object]:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, object] = answer.json()
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert problem["instance"] == answer.request.url.path
    assert problem["request_id"] == answer.headers["x-request-id"]
    return problem


@pytest.mark.parametrize("path", ["/nowhere", "/api/v1/nowhere", "/api/v1/products/1/nowhere"])
async def test_an_unknown_path_is_a_404(client: httpx.AsyncClient, path: str):
    check_problem(await client.get(path), 404)


async def test_a_wrong_method_is_a_405(client: httpx.AsyncClient):
    answer = await client.delete("/api/v1/auth/login")
    check_problem(answer, 405)
    assert answer.headers["allow"] == "POST"


async def test_a_body_too_large_is_a_413(api: httpx.AsyncClient):
    answer = await api.post("/api/v1/products", content=b'{"product_name": "' + b"x" * MAX_JSON_BYTES + b'"}')
    check_problem(answer, 413)


@pytest.mark.parametrize("body", [b"{", b"", b"\xff", b"[" * 100_000])
async def test_invalid_json_is_a_422(api: httpx.AsyncClient, body: bytes):
    answer = await api.post("/api/v1/products", content=body, headers={"Content-Type": "application/json"})
    problem = check_problem(answer, 422)
    assert problem["errors"]


async def test_a_body_that_grows_too_large_is_a_413(api: httpx.AsyncClient):
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(MAX_JSON_BYTES // 65536 + 1):
            yield b" " * 65536

    check_problem(await api.post("/api/v1/products", content=chunks()), 413)


async def test_a_422_names_the_field_and_not_its_value(client: httpx.AsyncClient):
    body = {"username": "ada", "email": "ada@example.com", "password": "abc123"}
    problem = check_problem(await client.post("/api/v1/auth/register", json=body), 422)
    assert problem["errors"] == [
        {"field": "password", "location": "body", "message": "must have at least 8 characters"}
    ]
    assert "abc123" not in str(problem)


async def test_an_unknown_query_parameter_is_a_422(api: httpx.AsyncClient):
    problem = check_problem(await api.get("/api/v1/products", params={"colour": "red"}), 422)
    assert "colour" in str(problem["errors"])
