"""What is kept of a consumer can be told and forgotten, and does not come back."""

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.privacy.masks import get_erasure_key, reseal_erasure_key
from app.privacy.service import purge_payloads_before
from app.utils.clock import utc_now
from app.websites.vault import Vault
from tests.builders import create_address, create_order, create_user
from tests.ingest.payloads import woo_customer, woo_order

USERS = "/api/v1/users"
JANE = "jane.roe@example.com"


def customer(**overrides: Any) -> dict[str, Any]:
    return woo_customer(7, email=JANE, first_name="Jane", last_name="Roe") | overrides


def order(number: int, *, account: int = 7, email: str = JANE, **overrides: Any) -> dict[str, Any]:
    billing = {
        "first_name": "Jane", "last_name": "Roe", "email": email, "phone": "+8801711000000",
        "address_1": "12 Lake Road", "city": "Dhaka", "country": "BD",
    }  # fmt: skip
    return woo_order(number, customer_id=account, billing=billing, **overrides)


@pytest.fixture
async def jane(ingest: Any, query: Any) -> int:
    """Known by an account and an order on one website, and as a guest on another."""
    await ingest([customer(), order(1)], website="rise")
    await ingest([order(5, account=0)], website="sailor")
    (row,) = await query("SELECT id FROM users WHERE email = :email", email=JANE)
    return int(row["id"])


async def mentions(session: AsyncSession, word: str) -> list[str]:
    """The tables that still hold the word, in any column."""
    tables = await session.scalars(
        text("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
    )
    found = []
    for table in tables.all():
        statement = text(f"SELECT count(*) FROM {table} t WHERE lower(t::text) LIKE :word")
        if await session.scalar(statement, {"word": f"%{word.lower()}%"}):
            found.append(table)
    bodies = text("SELECT count(*) FROM webhooks WHERE lower(encode(body, 'escape')) LIKE :word")
    if await session.scalar(bodies, {"word": f"%{word.lower()}%"}):
        found.append("webhooks")
    return found


class TestExport:
    async def test_everything_is_in_it(self, api: httpx.AsyncClient, session: AsyncSession, jane: int):
        await session.execute(
            text("INSERT INTO webhooks (source_website, topic, body, body_hash) VALUES ('rise', 'x', :body, '')"),
            {"body": json.dumps({"email": JANE.upper()}).encode()},
        )
        answer = await api.get(f"{USERS}/{jane}/export")

        assert answer.status_code == 200
        body = answer.json()
        assert (body["user"]["name"], body["user"]["email"]) == ("Jane Roe", JANE)
        assert [address["city"] for address in body["user"]["addresses"]] == ["Dhaka"]
        assert [each["source_website"] for each in body["orders"]] == ["rise", "sailor"]
        assert all(each["details"] for each in body["orders"])
        assert {(each["source_website"], each["kind"]) for each in body["sources"]} == {
            ("rise", "consumer"), ("sailor", "guest"),
        }  # fmt: skip
        assert [each["what"] for each in body["raw_payloads"]] == ["webhook"]

    async def test_one_made_here(self, api: httpx.AsyncClient, session: AsyncSession):
        user = await create_user(session)
        await create_order(session, user=user)
        assert len((await api.get(f"{USERS}/{user.id}/export")).json()["orders"]) == 1


class TestErasure:
    async def test_nothing_that_names_them_is_left(self, api: httpx.AsyncClient, session: AsyncSession, jane: int):
        assert await mentions(session, "roe")

        answer = await api.post(f"{USERS}/{jane}/erase")

        assert answer.status_code == 200
        assert answer.json()["orders_kept"] == 2
        for word in ("jane.roe", "Jane Roe", "8801711000000", "Lake Road"):
            assert await mentions(session, word) == [], word
        user = (await api.get(f"{USERS}/{jane}")).json()
        assert (user["name"], user["email"], user["phone"], user["is_active"]) == ("Erased", None, "", False)
        assert user["addresses"] == []

    async def test_the_money_stays(self, api: httpx.AsyncClient, query: Any, jane: int):
        money = "SELECT order_number, total_amount, placed_at, status FROM orders ORDER BY id"
        before = await query(money)
        await api.post(f"{USERS}/{jane}/erase")
        assert await query(money) == before
        assert [row["user_id"] for row in await query("SELECT user_id FROM orders")] == [jane, jane]

    @pytest.mark.parametrize("times", [1, 2])
    async def test_a_reimport_does_not_bring_them_back(
        self,
        api: httpx.AsyncClient,
        session: AsyncSession,
        ingest: Any,
        query: Any,
        jane: int,
        times: int,
    ):
        await api.post(f"{USERS}/{jane}/erase")
        for _ in range(times):
            await ingest([customer(), order(1), order(2)], website="rise")
            await ingest([order(5, account=0), order(6, account=0)], website="sailor")
            # A website that never knew them, and an order under the account with another e-mail.
            await ingest([order(9, account=0)], website="third")
            await ingest([order(3, email="other@example.com")], website="rise")

        for word in ("jane.roe", "Jane Roe", "8801711000000", "Lake Road", "other@example"):
            assert await mentions(session, word) == [], word
        rows = await query("SELECT order_number, user_id FROM orders ORDER BY source_website, order_number")
        assert [(row["order_number"], row["user_id"]) for row in rows] == [
            ("1", jane), ("2", jane), ("3", jane), ("5", jane), ("6", jane), ("9", jane),
        ]  # fmt: skip
        assert len(await query("SELECT 1 FROM users")) == 1

    async def test_others_are_left_alone(self, api: httpx.AsyncClient, ingest: Any, query: Any, jane: int):
        await api.post(f"{USERS}/{jane}/erase")
        await ingest([woo_customer(8, email="ben@example.com", first_name="Ben", last_name="Poe")], website="rise")
        (row,) = await query("SELECT name FROM users WHERE email = 'ben@example.com'")
        assert row["name"] == "Ben Poe"

    async def test_raw_payloads_are_purged(self, api: httpx.AsyncClient, session: AsyncSession, ingest: Any, jane: int):
        bad = order(4) | {"currency": "no currency"}
        await ingest([bad], website="rise")
        await session.execute(
            text("INSERT INTO webhooks (source_website, topic, body, body_hash) VALUES ('rise', 'x', :body, '')"),
            {"body": json.dumps(customer(email="Jane.Roe@Example.com")).encode()},
        )
        assert {"import_rejects", "webhooks"} <= set(await mentions(session, "jane.roe"))

        answer = await api.post(f"{USERS}/{jane}/erase")

        assert answer.json()["payloads_purged"] == 2
        assert await mentions(session, "jane.roe") == []

    async def test_while_an_import_holds_them(
        self,
        api: httpx.AsyncClient,
        session: AsyncSession,
        test_database: Any,
        write: Any,
        jane: int,
    ):
        from tests.ingest.conftest import stage

        await stage(test_database, write([order(11)]), "rise")
        answer = await api.post(f"{USERS}/{jane}/erase")
        assert answer.status_code == 409
        assert "when it has ended" in answer.json()["detail"]

    async def test_again(self, api: httpx.AsyncClient, jane: int):
        for _ in range(2):
            assert (await api.post(f"{USERS}/{jane}/erase")).status_code == 200

    async def test_one_made_here_with_an_address(self, api: httpx.AsyncClient, session: AsyncSession):
        user = await create_user(session, email="solo@example.com")
        await create_address(session, user)
        await api.post(f"{USERS}/{user.id}/erase")
        assert await mentions(session, "solo@example.com") == []
        assert (await api.get(f"{USERS}/{user.id}/addresses")).json() == []

    async def test_the_key_of_the_hashes_outlives_a_change_of_the_secret(self, session: AsyncSession, jane: int):
        before = await get_erasure_key(session)
        old: Vault = session.info["vault"]
        newer = Vault(["another secret key of 32 bytes or more"])
        with pytest.raises(Exception, match="another SECRET_KEY"):
            await reseal_erasure_key(session, newer)
        both = Vault(["another secret key of 32 bytes or more", "a key that only the tests have, 32 bytes or more"])
        await reseal_erasure_key(session, both)
        await session.flush()
        session.info["vault"] = newer
        assert await get_erasure_key(session) == before
        session.info["vault"] = old


@pytest.mark.parametrize(("method", "path"), [("GET", "export"), ("POST", "erase")])
async def test_unknown_and_anonymous(api: httpx.AsyncClient, method: str, path: str):
    assert (await api.request(method, f"{USERS}/999999999/{path}")).status_code == 404
    del api.headers["Authorization"]
    assert (await api.request(method, f"{USERS}/1/{path}")).status_code == 401


async def test_payloads_are_kept_for_a_while_only(session: AsyncSession, ingest: Any, query: Any):
    await ingest([order(4) | {"currency": "no currency"}], website="rise")
    await session.execute(
        text("INSERT INTO webhooks (source_website, topic, body, body_hash) VALUES ('rise', 'x', '{}', '')")
    )
    await purge_payloads_before(session, utc_now() - timedelta(days=90))
    assert await mentions(session, "lake road") == ["import_rejects"]

    await session.execute(text("UPDATE import_rejects SET created_at = now() - interval '91 days'"))
    await session.execute(text("UPDATE webhooks SET received_at = now() - interval '91 days'"))
    await purge_payloads_before(session, utc_now() - timedelta(days=90))

    assert await mentions(session, "lake road") == []
    assert await query("SELECT 1 FROM webhooks") == []
    (reject,) = await query("SELECT status, reason FROM import_rejects")
    assert (reject["status"], "currency" in reject["reason"]) == ("dismissed", True)
