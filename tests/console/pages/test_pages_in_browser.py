"""The pages of figures in a real browser: charts are drawn, files imported, and nobody is kept out."""

from pathlib import Path

import pytest
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from app.auth.models import AdminUser
from app.database import Database
from app.runtime.jobs import running_worker
from tests.console.conftest import Browser

PAGES = ("", "predictions", "upload", "stores", "stores/shop", "consumer/7", "product/3")
SHOPIFY = (
    "Name,Email,Financial Status,Fulfillment Status,Currency,Subtotal,Shipping,Taxes,Total,Created at,"
    "Lineitem quantity,Lineitem name,Lineitem price,Lineitem sku,Id\n"
    "#1001,ada@example.com,paid,fulfilled,USD,20.00,0.00,0.00,20.00,2026-09-01 10:00:00 +0000,2,Mug,10.00,MUG,9001\n"
    "#1002,bob@example.com,paid,fulfilled,USD,oops,0.00,0.00,oops,2026-09-02 10:00:00 +0000,1,Cup,5.00,CUP,9002\n"
)


@pytest.fixture
def signed_in(browser: Browser, clerk_of_shop: AdminUser) -> Browser:
    browser.sign_in(clerk_of_shop.username)
    return browser


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("width", [1440, 390])
def test_no_page_keeps_anybody_out(signed_in: Browser, path: str, width: int):
    signed_in.resize(width)
    signed_in.open(path)
    WebDriverWait(signed_in.driver, 10).until(
        lambda driver: driver.execute_script(
            "return [...document.querySelectorAll('.console-chart')].every((each) => each.querySelector('svg'))"
        )
    )
    assert signed_in.find_barriers() == []
    assert signed_in.complaints() == []
    assert signed_in.other_origins() == set()
    assert signed_in.driver.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")


def test_a_chart_draws_what_its_table_holds(signed_in: Browser):
    signed_in.open("?currency=EUR&first=2025-01-01&last=2025-01-31")
    drawn = WebDriverWait(signed_in.driver, 10).until(
        lambda driver: driver.find_elements(By.CSS_SELECTOR, "#revenue .apexcharts-bar-area")
    )
    told = [float(each.get_attribute("val") or 0) for each in drawn]
    rows = signed_in.driver.execute_script(
        "return [...document.querySelectorAll('[data-values-of=revenue] tbody tr')]"
        ".map((row) => Number(row.cells[2].textContent.replaceAll(',', '')))"
    )
    assert len(rows) > 20
    assert sorted(each for each in told if each) == pytest.approx(sorted(rows))


def test_light_and_dark(signed_in: Browser):
    signed_in.open("product/3")
    before = signed_in.driver.find_element(By.TAG_NAME, "html").get_attribute("data-bs-theme")
    signed_in.driver.find_element(By.CSS_SELECTOR, ".navbar [data-console=theme], [data-console=theme]")
    signed_in.driver.execute_script("[...document.querySelectorAll('[data-console=theme]')].at(-1).click()")
    assert signed_in.driver.find_element(By.TAG_NAME, "html").get_attribute("data-bs-theme") != before
    assert signed_in.find_barriers() == []


async def test_a_file_is_tried_and_then_imported(signed_in: Browser, shop: Database, tmp_path: Path):
    file = tmp_path / "orders_export.csv"
    file.write_text(SHOPIFY)
    async with running_worker(shop):
        await _in_thread(lambda: _import(signed_in, file))
    assert signed_in.complaints() == []


async def _in_thread(work: object) -> None:
    import asyncio

    await asyncio.to_thread(work)  # type: ignore[arg-type]


def _import(browser: Browser, file: Path) -> None:
    driver = browser.driver
    wait = WebDriverWait(driver, 30, ignored_exceptions=[StaleElementReferenceException])  # the page comes anew
    browser.open("upload")
    driver.find_element(By.ID, "file").send_keys(str(file))
    assert driver.find_element(By.ID, "file-name").text == file.name
    browser.fill("source_website", "sailor")
    really = driver.find_element(By.ID, "import")
    assert not really.is_enabled()
    driver.find_element(By.ID, "try").click()
    wait.until(lambda _: really.is_enabled())
    preview = driver.find_element(By.ID, "preview").text
    assert "shopify orders csv: 2 records" in preview
    assert "not a number" in preview
    really.click()
    wait.until(lambda _: "/console/upload/" in driver.current_url)
    wait.until(lambda _: driver.find_element(By.ID, "status").text == "succeeded")
    counts = driver.find_element(By.ID, "counts").text.split("\n")
    assert dict(zip(counts[::2], counts[1::2], strict=True))["Created"] == "1"
    browser.press("Dismiss")
    assert "The rejects were dismissed." in browser.text


def test_what_is_no_table_is_refused_with_a_sentence(signed_in: Browser, tmp_path: Path):
    file = tmp_path / "picture.csv"
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200))
    signed_in.open("upload")
    signed_in.driver.find_element(By.ID, "file").send_keys(str(file))
    signed_in.fill("source_website", "sailor")
    signed_in.driver.find_element(By.ID, "try").click()
    told = WebDriverWait(signed_in.driver, 20).until(
        lambda driver: driver.find_elements(By.CSS_SELECTOR, "#told.text-danger")
    )
    assert told[0].text.endswith(".")
    signed_in.complaints()  # the browser notes the refusal too
