"""The confirm pages in a real browser: the button works under the policy that guards it."""

import re
import shutil
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.core import mail
from django.utils import timezone
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from resend_confirmation import start
from resend_confirmation.courier import Round, carry
from resend_confirmation.models import Confirmation, Cooldown, Delivery
from resend_confirmation.outcomes import ConfirmationState

from .conftest import unavailable

pytestmark = [pytest.mark.chromium, pytest.mark.django_db(transaction=True)]

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=800,600",
]


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    """A browser without a past."""
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or driver is None:
        unavailable("Chromium or its driver is not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = str(binary)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in [*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"]:
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=Service(driver))
    yield browser
    browser.quit()


def complaints(browser):
    """What is in the console, but for an icon that the client's site does not have."""
    messages = [entry["message"] for entry in browser.get_log("browser")]
    return [message for message in messages if "/favicon.ico" not in message]


@pytest.fixture
def browser(chromium):
    """The browser, which must not have complained when the test is over."""
    chromium.get_log("browser")
    yield chromium
    assert complaints(chromium) == []


@pytest.fixture
def landing(live_server, change):
    """A registered address on another origin, at which something answers."""
    here = urlsplit(live_server.url)
    assert here.hostname == "localhost"
    address = f"http://127.0.0.1:{here.port}/confirm/style.css?landed=1"
    change(
        BASE_URL=live_server.url,
        CLIENTS=[{"name": "default", "redirects": [address]}],
    )
    return address


def link_for(user, **given):
    Cooldown.objects.all().delete()
    start(user, **given)
    return carried()


def carried():
    before = len(mail.outbox)
    assert carry() == Round(sent=1)
    (link,) = re.findall(r"http://\S+/confirm/\?\S+", str(mail.outbox[before].body))
    return link


def heading(browser):
    return browser.find_element(By.TAG_NAME, "h1").text


def press(browser, text):
    """Press the page's one button, and wait until it has gone."""
    (button,) = browser.find_elements(By.TAG_NAME, "button")
    assert button.text == text
    page = browser.find_element(By.TAG_NAME, "html")
    button.click()
    WebDriverWait(browser, 30).until(lambda _: is_gone(page))


def is_gone(element):
    try:
        element.is_enabled()
    except Exception:
        return True
    return False


def state():
    return Confirmation.objects.get().state


def test_confirm(browser, landing, pending, tmp_path):
    """The button confirms, and the browser follows to another origin, past the policy."""
    browser.get(link_for(pending, redirect=landing))
    browser.save_screenshot(str(tmp_path / "ready.png"))
    assert heading(browser) == "Confirm your e-mail address"
    assert state() == ConfirmationState.PENDING
    press(browser, "Confirm my address")
    WebDriverWait(browser, 30).until(lambda _: browser.current_url == landing)
    assert state() == ConfirmationState.CONFIRMED
    assert browser.execute_script("return document.referrer") == ""


def test_style(browser, landing, pending):
    """The stylesheet is applied under the policy, and the button is as wide as a thumb."""
    browser.get(link_for(pending, redirect=landing))
    button = browser.find_element(By.TAG_NAME, "button")
    assert button.value_of_css_property("background-color") == "rgba(20, 83, 45, 1)"
    assert button.size["height"] >= 40


def test_used(browser, landing, pending, tmp_path):
    """A used link ends well, with a way on."""
    link = link_for(pending, redirect=landing)
    Confirmation.objects.update(state=ConfirmationState.CONFIRMED)
    browser.get(link)
    browser.save_screenshot(str(tmp_path / "used.png"))
    assert heading(browser) == "Already confirmed"
    assert browser.find_elements(By.TAG_NAME, "button") == []
    browser.find_element(By.LINK_TEXT, "Continue").click()
    WebDriverWait(browser, 30).until(lambda _: browser.current_url == landing)


@pytest.mark.usefixtures("landing")
def test_end_on_our_own_page(browser, change, pending):
    """Without a landing address the button leads to our own thanks."""
    change(CLIENTS=[{"name": "default"}])
    browser.get(link_for(pending))
    press(browser, "Confirm my address")
    assert heading(browser) == "Thank you"


def test_expired(chromium, landing, pending, tmp_path):
    """The expired page's button sends a link that works."""
    link = link_for(pending, redirect=landing)
    past = timezone.now() - timedelta(seconds=1)
    Delivery.objects.update(link_expires_at=past)
    Cooldown.objects.all().delete()
    chromium.get(link)
    chromium.save_screenshot(str(tmp_path / "expired.png"))
    assert heading(chromium) == "This link has expired"
    press(chromium, "Send me a new link")
    assert heading(chromium) == "A new link is on its way"
    chromium.get(carried())
    press(chromium, "Confirm my address")
    WebDriverWait(chromium, 30).until(lambda _: chromium.current_url == landing)
    assert state() == ConfirmationState.CONFIRMED
    # A browser notes the expired page's own status; it must have nothing else to say.
    assert [text for text in complaints(chromium) if "410 (Gone)" not in text] == []


def test_another_frame(browser, landing, pending, live_server):
    """A page cannot be framed, so that nobody presses the button unawares."""
    link = link_for(pending, redirect=landing)
    browser.get(f"{live_server.url}/schema/")
    browser.execute_script(
        "document.documentElement.innerHTML = '<body><iframe></iframe></body>';"
        "document.querySelector('iframe').src = arguments[0];",
        link,
    )
    WebDriverWait(browser, 30).until(
        lambda _: any("frame-ancestors" in text for text in complaints(browser))
    )
    assert state() == ConfirmationState.PENDING
