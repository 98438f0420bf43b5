"""Pictures of the console for the documentation, over a demonstration of its own: `make screenshots`."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver

from tests.console.conftest import Browser, open_chromium

FOLDER = Path(__file__).parents[2] / "docs" / "images"
ORDERS = "12000"
CONSOLE = re.compile(r"^Console +(\S+)/console +as (\S+) with the password (\S+)$")
WIDTH, HEIGHT, MOST = 1440, 900, 2400
PAGES = {
    "overview": "",
    "predictions": "predictions",
    "consumer": "consumer/60",
    "product": "product/3",
    "orders": "orders/list",
    "order": "orders/detail/60",
    "stores": "stores/sailor",
    "upload": "upload",
}


@contextmanager
def _demonstration(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Its address, and a name and password that sign in."""
    command = [sys.executable, "-m", "app.cli", "demo", "--port", "0", "--orders", ORDERS]
    environment = os.environ | {"DATA_DIR": str(folder)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                print(line, end="", flush=True)
                if found := CONSOLE.match(line):
                    time.sleep(5)  # until the server answers
                    yield found[1], found[2], found[3]
                    return
            raise RuntimeError("The demonstration did not start.")
        finally:
            process.terminate()


def _shoot(browser: Browser, name: str, width: int) -> None:
    browser.resize(width, HEIGHT)
    time.sleep(1.5)  # charts
    height = browser.driver.execute_script("return document.documentElement.scrollHeight")
    browser.resize(width, min(height, MOST))
    time.sleep(0.5)
    browser.driver.save_screenshot(str(FOLDER / f"{name}.png"))
    print(FOLDER / f"{name}.png")


def main(driver: webdriver.Chrome) -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, _demonstration(Path(folder)) as (address, username, password):
        browser = Browser(driver, address)
        browser.resize(WIDTH, HEIGHT)
        browser.open("login")
        _shoot(browser, "sign-in", WIDTH)
        browser.sign_in(username, password)
        for name, path in PAGES.items():
            browser.open(path)
            _shoot(browser, name, WIDTH)
        browser.open("")
        _shoot(browser, "overview-narrow", 390)


if __name__ == "__main__":
    with open_chromium() as chromium:
        main(chromium)
