"""`ecompredictor website …` and `demo`, as a shell sees them, against a store behind a real socket."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.runtime import migrations
from fakestores import woocommerce
from fakestores.server import serving
from fakestores.shop import Shop
from tests.conftest import new_database
from tests.sync.conftest import KEYS, make_shop
from tests.sync.test_runs import stock

Run = Callable[..., subprocess.CompletedProcess[str]]
SECONDS = 60


@pytest.fixture
def run(server_url: str, tmp_path: Path) -> Iterator[Run]:
    with new_database(server_url) as url:
        migrations.upgrade(url)
        environment = os.environ | {
            "DATABASE_URL": url,
            "DATA_DIR": str(tmp_path / "data"),
            "ALLOW_PRIVATE_ADDRESSES": "true",
        }

        def run(*arguments: str, given: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, "-m", "app.cli", *arguments]
            return subprocess.run(
                command, input=given, env=environment | settings, timeout=SECONDS, text=True, capture_output=True,
                check=False,
            )  # fmt: skip

        yield run


@pytest.fixture
def store() -> Iterator[tuple[Shop, str]]:
    shop = make_shop()
    stock(shop, orders=12)
    with serving(woocommerce.create_app(shop, keys={KEYS["consumer_key"]: KEYS["consumer_secret"]})) as address:
        yield shop, address


def test_a_store_from_its_registration_to_its_verdict(run: Run, store: tuple[Shop, str]):
    shop, address = store
    shop.set_order_status(next(iter(shop.orders)), "ready-pickup")
    added = run(
        *("website", "add", "Rise", "woocommerce", address, "--status", "ready-pickup=confirmed"),
        *("--schedule", "never", "--credentials", "-"),
        given=json.dumps(KEYS),
    )
    assert (added.returncode, added.stderr) == (0, "")
    assert added.stdout == "Rise can be read (BDT, Asia/Dhaka, version 7.8.2).\nrise is registered.\n"
    assert run("website", "list").stdout == f"rise\twoocommerce\t{address}\twhen asked\n"
    assert run("website", "test", "rise").returncode == 0

    read = run("website", "sync", "rise")
    assert read.returncode == 0, read.stderr
    assert "orders: changes: woocommerce_json of rise, 12 records\n  12 created" in read.stdout
    assert "ready-pickup" not in read.stdout
    assert "not checked yet" in run("website", "status", "rise").stdout

    assert run("website", "sync", "rise", "--sweep").returncode == 0
    assert "rise: complete up to 2026-09-01T" in run("website", "status", "rise").stdout
    everything = run("website", "sync", "rise", "--everything")
    assert "0 created, 0 updated, 0 merged, 12 unchanged" in everything.stdout
    for shown in (added, read, everything):
        assert KEYS["consumer_secret"] not in shown.stdout + shown.stderr


def test_a_refused_key(run: Run, store: tuple[Shop, str]):
    keys = json.dumps(KEYS | {"consumer_secret": "cs_of_another"})
    added = run("website", "add", "rise", "woocommerce", store[1], "--credentials", "-", given=keys)
    assert added.stdout == "rise is registered, but cannot be read yet.\n"
    assert "does not accept our signature" in added.stderr
    tested = run("website", "test", "rise")
    assert (tested.returncode, "does not accept our signature" in tested.stderr) == (1, True)
    read = run("website", "sync", "rise")
    assert (read.returncode, "failed: 127.0.0.1 does not accept" in read.stdout) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "given", "says"),
    [
        (("rise", "woocommerce", "ftp://rise.example"), json.dumps(KEYS), "base_url: must be the store's address"),
        (("rise", "magento", "rise.example"), json.dumps(KEYS), "platform: "),
        (("rise", "woocommerce", "rise.example"), "no json", "have to be a JSON object"),
        (("rise", "shopify", "rise.example"), json.dumps(KEYS), "credentials of a shopify store are client_id"),
    ],
)
def test_what_cannot_be_registered(run: Run, arguments: tuple[str, ...], given: str, says: str):
    refused = run("website", "add", *arguments, "--credentials", "-", given=given)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert says in refused.stderr
    assert KEYS["consumer_secret"] not in refused.stderr


def test_a_new_secret_key(run: Run, store: tuple[Shop, str]):
    old, new = "the key that was with 32 bytes or more", "the key that is with 32 bytes or more"
    added = run(
        *("website", "add", "rise", "woocommerce", store[1], "--credentials", "-"),
        given=json.dumps(KEYS),
        SECRET_KEY=old,
    )
    assert added.returncode == 0
    assert "sealed with another SECRET_KEY" in run("website", "test", "rise", SECRET_KEY=new).stderr
    resealed = run("website", "reseal", SECRET_KEY=new, PREVIOUS_SECRET_KEYS=old)
    assert resealed.stdout == "Stores whose credentials were sealed anew: 1\n"
    assert run("website", "test", "rise", SECRET_KEY=new).returncode == 0


def test_the_demonstration_needs_an_empty_database(run: Run, store: tuple[Shop, str]):
    run("website", "add", "rise", "woocommerce", store[1], "--credentials", "-", given=json.dumps(KEYS))
    refused = run("demo", "--port", "0", "--orders", "20")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "The database holds websites already" in refused.stderr


def test_the_demonstration_is_not_for_production(run: Run):
    refused = run("demo", "--port", "0", ENVIRONMENT="production", SECRET_KEY="a key of 32 bytes or more, for tests")
    assert (refused.returncode, "never does so in production" in refused.stderr) == (1, True)
