"""The example site in Chromium: from a request to the overview, and axe-core on each page.

With the variable PICTURES, the walk saves pictures of its pages in that folder, for the
documentation: ``PICTURES=docs/pictures``.
"""

import os
import re
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from tests.accessibility import Axe, show
from tests.demonstration import DEADLINE, running
from tests.test_accessibility import DJANGOS

pytestmark = [pytest.mark.server, pytest.mark.chromium, pytest.mark.node]


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


def all_of(browser, selector):
    return browser.find_elements(By.CSS_SELECTOR, selector)


def one(browser, selector):
    """Wait for the first element that a selector finds."""
    return until(browser, lambda _: browser.find_element(By.CSS_SELECTOR, selector))


def picture(browser, name, top="body", height=900):
    """Save a picture of the page in the folder PICTURES, from the element ``top`` on."""
    folder = os.environ.get("PICTURES")
    if not folder:
        return
    show(browser, 1280, "light", height)
    browser.execute_script("document.documentElement.style.scrollbarWidth = 'none'")
    one(browser, top).location_once_scrolled_into_view  # noqa: B018 - it scrolls
    Path(folder).mkdir(parents=True, exist_ok=True)
    assert browser.save_screenshot(str(Path(folder) / f"{name}.png"))


def numbers(browser):
    """Return the last 24 hours of the overview's first table of requests, by name."""
    rows = all_of(one(browser, ".resend-wide"), "tbody tr")
    return {
        row.find_element(By.TAG_NAME, "th").text: row.find_element(By.TAG_NAME, "td").text
        for row in rows
    }


def open_in_admin(browser, site, address):
    """Log in to the admin, and open the confirmation of an address."""
    (password,) = re.findall(r"/admin/ +user admin, password (\S+)", site.output)
    browser.get(f"{site.url}/admin/login/?next=/admin/resend_confirmation/confirmation/")
    one(browser, "#id_username").send_keys("admin")
    one(browser, "#id_password").send_keys(password)
    one(browser, "[type=submit]").click()
    one(browser, "#searchbar").send_keys(address)
    one(browser, "#changelist-search [type=submit]").click()
    until(browser, lambda _: len(all_of(browser, "#result_list tbody tr")) == 1)
    one(browser, "#result_list tbody th a").click()


def test_walk(axe, chromium, site):
    """From the front page to the confirmed account in the admin, and to its overview."""
    chromium.get(f"{site.url}/")
    call = one(chromium, "#call-xsolla-jwt")
    one(call, "[data-send]").click()
    until(chromium, lambda _: call.get_attribute("data-state") == "answered")
    assert one(call, "[data-answer]").text.startswith("204 No Content")
    axe.look("front")
    picture(chromium, "front", "#call-xsolla-jwt", 1040)
    one(call, "[data-mail-link]").click()

    assert "Pending.Upper@Example.com" in one(chromium, "dl.headers").text
    axe.look("message")
    picture(chromium, "message", height=960)
    message = chromium.current_url
    chromium.get(f"{site.url}/inbox/")
    one(chromium, "#messages a")
    axe.look("inbox")
    chromium.get(message)
    chromium.switch_to.frame(one(chromium, "iframe"))
    chromium.find_element(By.LINK_TEXT, "Confirm my address").click()
    chromium.switch_to.default_content()

    button = one(chromium, "main form button")
    assert button.text == "Confirm my address"
    assert site.state_of("Pending.Upper@Example.com") == "pending"
    picture(chromium, "page", height=680)
    button.click()

    token = one(chromium, "#token")
    assert token.get_attribute("data-verified") == "true"
    assert one(chromium, "tr[data-claim=email] td").text == "Pending.Upper@Example.com"
    assert site.state_of("Pending.Upper@Example.com") == "confirmed"
    axe.look("landing")

    open_in_admin(chromium, site, "pending.upper@example.com")
    sentence = one(chromium, ".explanation p").text
    assert sentence.startswith("The address was confirmed on ")
    axe.look("confirmation", *DJANGOS)
    picture(chromium, "confirmation")

    chromium.get(f"{site.url}/admin/resend_confirmation/confirmation/overview/")
    found = numbers(chromium)
    funnel = [found[name] for name in ("Requested", "Sent", "Delivered", "Confirmed")]
    # The inbox reports no deliveries.
    assert funnel == ["1", "1 (100 %)", "0", "1 (100 %)"]
    assert "xsolla-jwt" in one(chromium, "#content-main").text
    picture(chromium, "overview", height=1200)
    axe.look("overview", *DJANGOS)
    assert axe.found == {}


def test_operations(axe, chromium, site):
    """The page of the OpenAPI document has no violation, also with operations of each kind open."""
    chromium.get(f"{site.url}/docs/")
    control = ".opblock-summary-control"
    until(chromium, lambda _: len(all_of(chromium, control)) == 9)
    axe.look("closed")
    # One with parameters and a body, one with both kinds of examples, and one with GET.
    for name in ("confirmation-email", "resendAccountConfirmation", "email-confirmation-get"):
        one(chromium, f"[id$={name}] {control}").click()
    until(chromium, lambda _: len(all_of(chromium, ".responses-table")) >= 3)
    (execute,) = all_of(chromium, "[id$=resendAccountConfirmation] .execute")
    chromium.execute_script("arguments[0].click()", execute)
    assert "Please check your inbox" in one(chromium, ".live-responses-table").text
    axe.look("open")
    assert axe.found == {}
