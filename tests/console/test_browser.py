"""What a person does, in Chromium against a running server."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from app.auth.models import AdminUser
from app.database import Database
from app.orders.models import Order
from app.orders.schemas import OrderUpdate
from app.orders.service import update_order
from tests.builders import create_admin, create_order, create_user, unique
from tests.console.conftest import PASSWORD, Browser

WIDTHS = (1440, 390)


@dataclass
class Shop:
    admin: AdminUser
    order: Order


@pytest.fixture(scope="module")
async def shop(arranging: Database, hashed_password: str) -> Shop:
    async with arranging.sessions.begin() as session:
        admin = await create_admin(session, hashed_password=hashed_password)
        user = await create_user(session, name="Theodora Finch")
        for _ in range(30):
            await create_order(session, user=await create_user(session))
        return Shop(admin, await create_order(session, user=user, order_number=unique("FIND")))


@pytest.fixture
def signed_in(browser: Browser, shop: Shop) -> Browser:
    browser.enter(shop.admin)
    return browser


def test_signing_in_and_out(browser: Browser, shop: Shop):
    browser.sign_in(shop.admin.username, "wrong password")
    assert browser.path == "/console/login"
    assert "The username or the password is wrong." in browser.text
    browser.fill("password", PASSWORD)
    browser.press("Sign in")
    assert browser.path == "/console/"
    assert shop.admin.username in browser.text
    browser.press("Sign out")
    browser.open("orders/list")
    assert browser.path == "/console/login"


def test_an_expired_session_leads_back_to_where_one_was(browser: Browser, shop: Shop):
    browser.enter(shop.admin, timedelta(seconds=-1))
    browser.open("orders/list?status=pending")
    assert browser.path == "/console/login"
    browser.fill("username", shop.admin.username)
    browser.fill("password", PASSWORD)
    browser.press("Sign in")
    assert browser.driver.current_url.endswith("/console/orders/list?status=pending")
    assert shop.admin.username in browser.text


def test_an_order_is_found_and_moved(signed_in: Browser, shop: Shop):
    signed_in.open("orders/list")
    signed_in.fill("q", "theodora")
    signed_in.press("Search")
    assert "1 order" in signed_in.text
    signed_in.press(shop.order.order_number)
    assert "Enamel mug" in signed_in.text
    signed_in.press("Mark as shipped")
    assert f"Order {shop.order.order_number} is shipped now." in signed_in.text
    assert signed_in.driver.find_element(By.ID, "status").text == "shipped"
    assert signed_in.complaints() == []


async def test_an_illegal_move_is_refused_with_a_sentence(signed_in: Browser, shop: Shop, arranging: Database):
    """The page still offers what somebody else has made impossible meanwhile."""
    async with arranging.sessions.begin() as session:
        order = await create_order(session)
    signed_in.open(f"orders/detail/{order.id}")
    async with arranging.sessions.begin() as session:
        await update_order(session, order.id, OrderUpdate.model_validate({"status": "delivered"}))
    await asyncio.to_thread(signed_in.press, "Mark as confirmed")
    assert f"Order {order.order_number} is delivered; that is final, so it cannot become confirmed." in signed_in.text


def test_a_list_goes_on_and_back(signed_in: Browser):
    signed_in.open("orders/list")
    first = signed_in.driver.find_element(By.TAG_NAME, "tbody").text
    signed_in.press("Next")
    assert signed_in.driver.find_element(By.TAG_NAME, "tbody").text != first
    signed_in.press("Previous")
    assert signed_in.driver.find_element(By.TAG_NAME, "tbody").text == first


def test_the_keyboard_is_enough(browser: Browser, shop: Shop):
    browser.open("login")
    for keys in (shop.admin.username, Keys.TAB, PASSWORD, Keys.ENTER):
        browser.driver.switch_to.active_element.send_keys(keys)
    assert browser.path == "/console/"
    browser.driver.switch_to.active_element.send_keys(Keys.TAB)
    assert browser.driver.switch_to.active_element.text == "Skip to the content"


@pytest.mark.parametrize("path", ["login", "orders/list", "orders/detail/31", "consumers/edit?pk=1"])
def test_a_page_shuts_nobody_out(browser: Browser, shop: Shop, path: str):
    """Wide and narrow, light and dark: neither a barrier nor faint text, and nothing wider than the screen."""
    if path != "login":
        browser.enter(shop.admin)
    browser.open(path)
    for theme in ("light", "dark"):
        browser.wear(theme)
        for width in WIDTHS:
            browser.resize(width)
            assert browser.find_faint_text() == [], f"{theme}, {width} wide"
            assert browser.driver.execute_script("return document.documentElement.scrollWidth") <= width
        assert browser.find_barriers() == []
    assert browser.complaints() == []
    assert browser.other_origins() == set()


def test_the_switch_between_light_and_dark(signed_in: Browser):
    def read_theme() -> str | None:
        return signed_in.driver.find_element(By.TAG_NAME, "html").get_attribute("data-bs-theme")

    signed_in.open("products/list")
    before = read_theme()
    next(
        each for each in signed_in.driver.find_elements(By.CSS_SELECTOR, "[data-console=theme]") if each.is_displayed()
    ).click()
    assert read_theme() != before
    signed_in.open("orders/list")
    assert read_theme() != before


def test_the_menu_of_a_narrow_screen(signed_in: Browser):
    signed_in.resize(390)
    signed_in.open("orders/list")
    signed_in.driver.find_element(By.CSS_SELECTOR, ".navbar-toggler").click()
    WebDriverWait(signed_in.driver, 5).until(
        lambda driver: driver.find_element(By.LINK_TEXT, "Products").is_displayed()
    )
    signed_in.press("Products")
    assert signed_in.path == "/console/products/list"
