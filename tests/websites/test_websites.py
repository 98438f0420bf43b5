"""`/websites`: registering stores, changing them, and what is never shown."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import ConfigurationError
from app.websites.models import Website
from app.websites.schedules import find_next
from app.websites.service import reseal_all
from app.websites.vault import Vault
from fakestores import woocommerce
from tests.builders import create_product
from tests.sync.conftest import make_shop

WEBSITES = "/api/v1/websites"
KEYS = {"consumer_key": "ck_0123456789", "consumer_secret": "cs_9876543210"}


def store(**overrides: Any) -> dict[str, Any]:
    return {
        "name": "rise", "platform": "woocommerce", "base_url": "https://rise.example", "credentials": KEYS,
    } | overrides  # fmt: skip


async def test_register(api: httpx.AsyncClient, session: AsyncSession):
    answer = await api.post(
        WEBSITES, json=store(webhook_secret="whsec-123456", status_map={"Ready-Pickup": "confirmed"})
    )

    assert answer.status_code == 201
    assert answer.headers["location"] == f"{WEBSITES}/rise"
    body = answer.json()
    assert (body["platform"], body["base_url"], body["is_active"]) == ("woocommerce", "https://rise.example", True)
    assert (body["schedule"], body["status_map"]) == ("*/15 * * * *", {"ready-pickup": "confirmed"})
    # The first reading waits for nothing.
    assert datetime.fromisoformat(body["next_sync_at"]) <= datetime.now(UTC)


async def test_secrets_are_sealed_and_never_shown(api: httpx.AsyncClient, session: AsyncSession):
    made = await api.post(WEBSITES, json=store(webhook_secret="whsec-123456"))
    shown = [made, await api.get(f"{WEBSITES}/rise"), await api.get(WEBSITES)]
    secrets = (*KEYS.values(), "whsec-123456")

    assert not [secret for answer in shown for secret in secrets if secret in answer.text]
    row = (await session.execute(text("SELECT * FROM websites WHERE name = 'rise'"))).one()
    assert not [secret for secret in secrets if secret.encode() in row.credentials + row.webhook_secrets]


async def test_a_refused_body_does_not_repeat_the_secret(api: httpx.AsyncClient):
    answer = await api.post(WEBSITES, json=store(credentials={"access_token": "shpat_secret_value"}))
    assert answer.status_code == 422
    assert "consumer_key and consumer_secret" in answer.text
    assert "shpat_secret_value" not in answer.text


async def test_a_name_known_from_files_becomes_a_store(api: httpx.AsyncClient, session: AsyncSession):
    await create_product(session, source_website="rise")
    await session.execute(text("INSERT INTO websites (name) VALUES ('rise') ON CONFLICT DO NOTHING"))
    assert (await api.get(f"{WEBSITES}/rise")).json()["platform"] is None

    assert (await api.post(WEBSITES, json=store())).status_code == 201
    again = await api.post(WEBSITES, json=store())

    assert again.status_code == 409
    assert "registered already" in again.json()["detail"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"base_url": "ftp://rise.example"}, "https://shop.example.com"),
        ({"base_url": "https://"}, "https://shop.example.com"),
        ({"base_url": "https://ck:cs@rise.example"}, "credentials"),
        ({"base_url": "https://rise.example/?consumer_key=x"}, "before ?"),
        ({"base_url": "https://rise.example:notaport"}, "no web address"),
        ({"base_url": "rise and shine"}, "https://shop.example.com"),
        ({"base_url": "https://\x97t\xfd.example"}, "no web address"),
        ({"platform": "magento"}, "woocommerce"),
        ({"platform": "shopify"}, "client_id and client_secret"),
        ({"schedule": "every day"}, "cron"),
        ({"schedule": "* * * * * *"}, "cron"),
        ({"status_map": {"ready": "teleported"}}, "status_map"),
        ({"credentials": {}}, "credentials"),
        ({"webhook_secret": ""}, "webhook_secret"),
        ({"name": "../etc"}, "name"),
        ({"is_admin": True}, "is_admin"),
    ],
)
async def test_refused(api: httpx.AsyncClient, wrong: dict[str, Any], says: str):
    answer = await api.post(WEBSITES, json=store(**wrong))
    assert answer.status_code == 422
    assert says in answer.text


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("rise.example", "https://rise.example"),
        ("https://rise.example/", "https://rise.example"),
        ("https://rise.example/shop/", "https://rise.example/shop"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
async def test_addresses(api: httpx.AsyncClient, given: str, kept: str):
    assert (await api.post(WEBSITES, json=store(base_url=given))).json()["base_url"] == kept


class TestChanging:
    async def test_some_fields(self, api: httpx.AsyncClient):
        await api.post(WEBSITES, json=store())
        answer = await api.patch(
            f"{WEBSITES}/rise", json={"schedule": "0 * * * *", "reconcile_schedule": None, "currency": "bdt"}
        )
        assert answer.status_code == 200
        body = answer.json()
        assert (body["schedule"], body["reconcile_schedule"], body["currency"]) == ("0 * * * *", None, "BDT")
        assert body["next_reconcile_at"] is None
        assert datetime.fromisoformat(body["next_sync_at"]).minute == 0

    async def test_deactivate_and_follow_again(self, api: httpx.AsyncClient):
        await api.post(WEBSITES, json=store())
        for _ in range(2):
            assert (await api.delete(f"{WEBSITES}/rise")).status_code == 204
        assert (await api.get(f"{WEBSITES}/rise")).json()["is_active"] is False
        assert (await api.post(f"{WEBSITES}/rise/sync")).status_code == 409
        assert (await api.put(f"{WEBSITES}/rise", json={"is_active": True})).json()["is_active"] is True

    async def test_rotate(self, api: httpx.AsyncClient, session: AsyncSession, app: Any):
        await api.post(WEBSITES, json=store(webhook_secret="whsec-first"))
        other = {"consumer_key": "ck_other_key", "consumer_secret": "cs_other_secret"}
        for change in ({"credentials": other}, {"webhook_secret": "whsec-second"}):
            assert (await api.put(f"{WEBSITES}/rise/credentials", json=change)).status_code == 200

        website = await session.get_one(Website, "rise")
        vault: Vault = app.state.vault
        assert vault.unseal(website.credentials or b"") == other
        assert vault.unseal(website.webhook_secrets or b"") == ["whsec-second", "whsec-first"]

    @pytest.mark.parametrize("change", [{}, {"credentials": {"access_token": "shpat_12345678"}}])
    async def test_rotate_to_what_does_not_fit(self, api: httpx.AsyncClient, change: dict[str, Any]):
        await api.post(WEBSITES, json=store())
        assert (await api.put(f"{WEBSITES}/rise/credentials", json=change)).status_code == 422

    @pytest.mark.parametrize(
        ("method", "path"),
        [("DELETE", ""), ("POST", "/sync"), ("POST", "/test"), ("GET", "/status"), ("GET", "/completeness")],
    )
    async def test_what_is_no_store(self, api: httpx.AsyncClient, session: AsyncSession, method: str, path: str):
        await session.execute(text("INSERT INTO websites (name) VALUES ('paper')"))
        assert (await api.request(method, f"{WEBSITES}/paper{path}")).status_code == 409
        assert (await api.request(method, f"{WEBSITES}/nobody{path}")).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""), ("POST", ""), ("GET", "/rise"), ("PUT", "/rise"), ("DELETE", "/rise"),
        ("PUT", "/rise/credentials"), ("POST", "/rise/test"), ("POST", "/rise/sync"), ("GET", "/rise/status"),
        ("GET", "/rise/completeness"),
    ],
)  # fmt: skip
async def test_anonymous(client: httpx.AsyncClient, method: str, path: str):
    assert (await client.request(method, f"{WEBSITES}{path}")).status_code == 401


async def test_a_sync_is_queued_as_imports_that_can_be_followed(api: httpx.AsyncClient):
    await api.post(WEBSITES, json=store())
    first = await api.post(f"{WEBSITES}/rise/sync", json={"resources": ["orders", "products"]})
    again = await api.post(f"{WEBSITES}/rise/sync", json={"resources": ["orders"]})

    assert first.status_code == 202
    assert [(each["origin"], each["status"]) for each in first.json()] == [("sync", "queued")] * 2
    assert again.json()[0]["id"] == first.json()[0]["id"]
    report = (await api.get(f"/api/v1/imports/{again.json()[0]['id']}")).json()
    assert report["file_name"] == "orders: changes"
    states = (await api.get(f"{WEBSITES}/rise/status")).json()["resources"]
    assert [each["is_running"] for each in states] == [False, True, True]


class TestVault:
    def test_old_keys_open_and_the_newest_seals(self):
        before = Vault(["the key that was"])
        sealed = before.seal({"consumer_key": "ck"})
        after = Vault(["the key that is", "the key that was"])
        assert after.unseal(sealed) == {"consumer_key": "ck"}
        with pytest.raises(ConfigurationError, match="another SECRET_KEY"):
            before.unseal(after.reseal(sealed))

    def test_equal_secrets_do_not_look_equal(self):
        vault = Vault(["a key"])
        assert vault.seal("same") != vault.seal("same")

    async def test_reseal_all(self, api: httpx.AsyncClient, session: AsyncSession, app: Any):
        await api.post(WEBSITES, json=store(webhook_secret="whsec-first"))
        website = await session.get_one(Website, "rise")
        both = Vault(["a newer key", app.state.settings.secret_key.get_secret_value()])
        assert await reseal_all(session, both) >= 1
        newest = Vault(["a newer key"])
        assert newest.unseal(website.credentials or b"") == KEYS
        assert newest.unseal(website.webhook_secrets or b"") == ["whsec-first"]


def test_the_next_time_of_a_schedule():
    moment = datetime(2026, 9, 1, 10, 7, tzinfo=UTC)
    assert find_next("*/15 * * * *", moment) == datetime(2026, 9, 1, 10, 15, tzinfo=UTC)
    assert find_next("30 3 * * *", moment) == datetime(2026, 9, 2, 3, 30, tzinfo=UTC)


async def test_asking_a_store_and_how_complete_it_is(api: httpx.AsyncClient, app: Any, monkeypatch: pytest.MonkeyPatch):
    keys = {KEYS["consumer_key"]: KEYS["consumer_secret"]}
    fake = woocommerce.create_app(make_shop(), keys=keys)
    transports = {"rise": httpx.ASGITransport(fake)}
    monkeypatch.setattr(app.state, "sync", replace(app.state.sync, transports=transports))
    await api.post(WEBSITES, json=store())

    told = (await api.post(f"{WEBSITES}/rise/test")).json()
    assert (told["ok"], told["name"], told["problem"], told["notes"]) == (True, "Rise", None, [])
    shown = (await api.get(f"{WEBSITES}/rise")).json()
    assert (shown["currency"], shown["time_zone"]) == ("BDT", "Asia/Dhaka")

    other = {"consumer_key": KEYS["consumer_key"], "consumer_secret": "cs_of_another"}
    await api.put(f"{WEBSITES}/rise/credentials", json={"credentials": other})
    refused = (await api.post(f"{WEBSITES}/rise/test")).json()
    assert (refused["ok"], "not the secret" in refused["problem"]) == (False, True)

    complete = (await api.get(f"{WEBSITES}/rise/completeness")).json()
    assert (complete["complete_up_to"], complete["days"]) == (None, [])
    assert {each["verdict"] for each in complete["resources"]} == {"not checked yet: a sweep will tell"}
