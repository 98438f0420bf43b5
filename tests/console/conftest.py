"""The console over HTTP, and in a real browser on a server of its own.

`console` is a client that has signed in, `visitor` one that has not. `browser` is Chromium without a window; tests
that take it are skipped where there is none.
"""

import json
import re
import shutil
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.models import AdminUser
from app.auth.service import hash_password
from app.config import Settings
from app.console.signin import COOKIE, Sessions
from app.database import Database
from app.main import create_app
from app.runtime import migrations
from tests.builders import create_admin
from tests.conftest import SECRET_KEY, new_database

CONTRAST = Path(__file__).with_name("contrast.js")
PASSWORD = "correct horse battery"
TOKEN = re.compile(r'name="csrftoken" value="([^"]+)"')


@pytest.fixture(scope="session")
async def hashed_password() -> str:
    return await hash_password(SecretStr(PASSWORD))


@pytest.fixture
async def clerk(session: AsyncSession, hashed_password: str) -> AdminUser:
    """An admin who knows their password."""
    return await create_admin(session, hashed_password=hashed_password)


@pytest.fixture
async def visitor(client: httpx.AsyncClient) -> httpx.AsyncClient:
    client.base_url = httpx.URL("http://test/console/")
    return client


async def read_token(client: httpx.AsyncClient, path: str = "login") -> str:
    """What a form on the page would send to show that it is ours."""
    found = TOKEN.search((await client.get(path, follow_redirects=True)).text)
    assert found is not None
    return found[1]


async def sign_in(
    client: httpx.AsyncClient, username: str, password: str = PASSWORD, next_: str = ""
) -> httpx.Response:
    form = {"csrftoken": await read_token(client), "username": username, "password": password}
    return await client.post("login", data=form, params={"next": next_} if next_ else {})


async def send(client: httpx.AsyncClient, path: str, **form: str) -> httpx.Response:
    """A form of a page that is signed in, and the page that follows."""
    token = await read_token(client, "admins/list")
    return await client.post(path, data={"csrftoken": token, **form}, follow_redirects=True)


def make_session(admin: AdminUser, lifetime: timedelta = timedelta(hours=1)) -> str:
    """The cookie that signing in would leave, without waiting for the password to be verified."""
    sessions = Sessions(SECRET_KEY, lifetime)
    return sessions.write(sessions.begin(admin))


@pytest.fixture
async def console(visitor: httpx.AsyncClient, clerk: AdminUser) -> httpx.AsyncClient:
    visitor.cookies.set(COOKIE, make_session(clerk), path="/console")
    return visitor


# In a browser


@dataclass
class Served:
    """A server with the console, on a database of its own."""

    address: str
    database_url: str


@pytest.fixture(scope="module")
def served(server_url: str, settings: Settings) -> Iterator[Served]:
    with new_database(server_url) as url:
        migrations.upgrade(url)
        app = create_app(settings, Database(url))
        with _serving(app) as address:
            yield Served(address, url)


class _serving:  # noqa: N801 — a context manager, used as a function
    def __init__(self, app: FastAPI) -> None:
        self.server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="on"))
        self.thread = threading.Thread(target=self.server.run)

    def __enter__(self) -> str:
        self.thread.start()
        while not self.server.started:
            time.sleep(0.02)
        port = self.server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self.thread.join()


@pytest.fixture(scope="module")
async def arranging(served: Served) -> AsyncIterator[Database]:
    """For arranging and checking what the browser's server has."""
    database = Database(served.database_url)
    yield database
    await database.dispose()


@contextmanager
def open_chromium() -> Iterator[webdriver.Chrome]:
    """Raises FileNotFoundError where there is none."""
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or driver is None:
        raise FileNotFoundError("there is no chromium with its chromedriver here")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with webdriver.Chrome(options=options, service=webdriver.ChromeService(driver)) as chromium:
        yield chromium


@pytest.fixture(scope="session")
def chromium() -> Iterator[webdriver.Chrome]:
    try:
        with open_chromium() as chromium:
            yield chromium
    except FileNotFoundError as error:
        pytest.skip(str(error))


def read_log(driver: webdriver.Chrome, kind: str) -> list[dict[str, Any]]:
    """Since the last call, without hints on how the browser's password store works best."""
    found: list[dict[str, Any]] = driver.get_log(kind)  # type: ignore[no-untyped-call]
    return [each for each in found if each["level"] != "DEBUG"]


class Browser:
    """Chromium at a console, with what a person does there."""

    def __init__(self, driver: webdriver.Chrome, address: str) -> None:
        self.driver, self.address = driver, address

    def open(self, path: str) -> None:
        self.driver.get(f"{self.address}/console/{path}")

    def resize(self, width: int, height: int = 900) -> None:
        """Of the page, which a window is never narrower than 500 for."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def enter(self, admin: AdminUser, lifetime: timedelta = timedelta(hours=1)) -> None:
        """Signed in already, for so long."""
        cookie = {"name": COOKIE, "value": make_session(admin, lifetime), "url": f"{self.address}/console/"}
        self.driver.execute_cdp_cmd("Network.setCookie", {**cookie, "path": "/console", "httpOnly": True})

    def wear(self, theme: str) -> None:
        """Light or dark, and wait until every colour has faded over."""
        self.driver.execute_script("document.documentElement.setAttribute('data-bs-theme', arguments[0])", theme)
        WebDriverWait(self.driver, 10, 0.05).until(
            lambda driver: driver.execute_script("return document.getAnimations().length === 0")
        )

    def sign_in(self, username: str, password: str = PASSWORD) -> None:
        self.open("login")
        self.fill("username", username)
        self.fill("password", password)
        self.press("Sign in")

    def fill(self, name: str, value: str) -> None:
        box = self.driver.find_element(By.NAME, name)
        box.clear()
        box.send_keys(value)

    def press(self, text: str) -> None:
        """A button or link, and wait for the page that follows."""
        before = self.driver.find_element(By.TAG_NAME, "html")
        path = f"//*[self::a or self::button or self::summary][normalize-space()='{text}']"
        pressed = next(each for each in self.driver.find_elements(By.XPATH, path) if each.is_displayed())
        # chromedriver does not scroll on a page whose size is set.
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", pressed)
        pressed.click()
        WebDriverWait(self.driver, 10, 0.05).until(lambda driver: driver.find_element(By.TAG_NAME, "html") != before)

    @property
    def text(self) -> str:
        return self.driver.find_element(By.TAG_NAME, "body").text

    def complaints(self) -> list[str]:
        """Of the browser's own console since the last call."""
        return [f"{each['level']} {each['message']}" for each in read_log(self.driver, "browser")]

    def other_origins(self) -> set[str]:
        """What was asked of anybody but our server since the last call."""
        asked = set()
        for entry in read_log(self.driver, "performance"):
            message: dict[str, Any] = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                asked.add(message["params"]["request"]["url"])
        return {url for url in asked if not url.startswith((self.address, "data:", "chrome:", "about:"))}

    def find_barriers(self) -> list[str]:
        """What axe finds serious or worse: it keeps people out who see, hear or move less than others."""
        self.driver.execute_script(files("axe_core_python").joinpath("axe.min.js").read_text())
        found: dict[str, Any] = self.driver.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
        return [
            f"{each['id']}: {each['help']}: {each['nodes'][0]['html']}"
            for each in found["violations"]
            if each["impact"] in {"serious", "critical"}
        ]

    def find_faint_text(self) -> list[str]:
        found: list[str] = self.driver.execute_script(CONTRAST.read_text())
        return found

    @property
    def path(self) -> str:
        return urlsplit(self.driver.current_url).path


@pytest.fixture
def browser(chromium: webdriver.Chrome, served: Served) -> Iterator[Browser]:
    browser = Browser(chromium, served.address)
    browser.resize(1440)
    chromium.execute_cdp_cmd("Network.clearBrowserCookies", {})
    yield browser
    chromium.get("about:blank")
    for kind in ("browser", "performance"):
        read_log(chromium, kind)
