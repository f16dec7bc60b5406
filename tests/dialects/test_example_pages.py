"""The example site's pages in Chromium."""

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from tests.accessibility import Axe
from tests.demonstration import DEADLINE, running

pytestmark = [pytest.mark.chromium, pytest.mark.node]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The example site."""
    with running(tmp_path_factory.mktemp("pages")) as site:
        yield site


@pytest.fixture
def axe(chromium, node_modules):
    """axe-core in the browser."""
    return Axe(chromium, node_modules)


def until(browser, look):
    return WebDriverWait(browser, DEADLINE).until(look)


def operations(browser):
    return browser.find_elements(By.CSS_SELECTOR, ".opblock-summary-control")


def test_operations(axe, chromium, site):
    """The page of the OpenAPI document has no violation, also with all operations open."""
    chromium.get(f"{site.url}/docs/")
    until(chromium, lambda _: len(operations(chromium)) == 9)
    axe.look("closed")
    for each in operations(chromium):
        each.click()
    until(chromium, lambda _: len(chromium.find_elements(By.CLASS_NAME, "responses-table")) >= 9)
    (execute,) = chromium.find_elements(By.CSS_SELECTOR, "[id$=resendAccountConfirmation] .execute")
    chromium.execute_script("arguments[0].click()", execute)
    answer = until(chromium, lambda _: chromium.find_element(By.CLASS_NAME, "live-responses-table"))
    assert "Please check your inbox" in answer.text
    axe.look("open")
    assert axe.found == {}
