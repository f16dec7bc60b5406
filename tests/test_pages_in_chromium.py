"""The confirm pages in Chromium."""

import re
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import ClassVar
from urllib.parse import urlsplit

import pytest
from django.core import mail
from django.utils import timezone
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from resend_confirmation import clients, start
from resend_confirmation.courier import Tally, send_due
from resend_confirmation.models import Confirmation, Cooldown, Delivery
from resend_confirmation.outcomes import ConfirmationState

pytestmark = [pytest.mark.database, pytest.mark.chromium, pytest.mark.django_db(transaction=True)]


def complaints(browser):
    """Return the console's messages, except about a missing icon of the client's site."""
    messages = [entry["message"] for entry in browser.get_log("browser")]
    return [message for message in messages if "/favicon.ico" not in message]


@pytest.fixture
def browser(chromium):
    """The browser, whose console must be empty after the test."""
    chromium.get_log("browser")
    yield chromium
    assert complaints(chromium) == []


@pytest.fixture
def landing(live_server, change):
    """A registered redirect to another origin."""
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
    assert send_due() == Tally(sent=1)
    (link,) = re.findall(r"http://\S+/confirm/\?\S+", str(mail.outbox[before].body))
    return link


def heading(browser):
    return browser.find_element(By.TAG_NAME, "h1").text


def press(browser, text):
    """Press the button with that text, and wait for the next page."""
    (button,) = [b for b in browser.find_elements(By.TAG_NAME, "button") if b.text == text]
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
    """The button confirms, and the policy allows the redirect to another origin."""
    browser.get(link_for(pending, redirect=landing))
    browser.save_screenshot(str(tmp_path / "ready.png"))
    assert heading(browser) == "Confirm your e-mail address"
    assert state() == ConfirmationState.PENDING
    press(browser, "Confirm my address")
    WebDriverWait(browser, 30).until(lambda _: browser.current_url == landing)
    assert state() == ConfirmationState.CONFIRMED
    assert browser.execute_script("return document.referrer") == ""


def test_style(browser, landing, pending):
    """The policy allows the stylesheet, and the button is large enough for a thumb."""
    browser.get(link_for(pending, redirect=landing))
    button = browser.find_element(By.TAG_NAME, "button")
    assert button.value_of_css_property("background-color") == "rgba(20, 83, 45, 1)"
    assert button.size["height"] >= 40


def test_used(browser, landing, pending, tmp_path):
    """The page of a used link has a link to the redirect."""
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
    """Without a redirect the button ends on our own page."""
    change(CLIENTS=[{"name": "default"}])
    browser.get(link_for(pending))
    press(browser, "Confirm my address")
    assert heading(browser) == "Thank you"


def test_expired(chromium, landing, pending, tmp_path):
    """The button on the page of an expired link sends a new link, which works."""
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
    # The console has the expired page's status, and nothing else.
    assert [text for text in complaints(chromium) if "410 (Gone)" not in text] == []


class Listener(BaseHTTPRequestHandler):
    """A client's site, which records paths and Referer headers."""

    heard: ClassVar[list[tuple[str, str | None]]] = []

    def do_GET(self):
        self.heard.append((self.path, self.headers["Referer"]))
        body = b"<!doctype html><link rel=icon href=data:,><title>Landed</title>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Log nothing."""


@pytest.fixture
def elsewhere():
    """Start another site; return its URL and the recorded requests."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    thread = Thread(target=server.serve_forever)
    thread.start()
    Listener.heard.clear()
    yield f"http://127.0.0.1:{server.server_port}", Listener.heard
    server.shutdown()
    thread.join()
    server.server_close()


def test_no_referer(browser, live_server, change, pending, elsewhere):
    """No Referer is sent after the button's redirect or a click on a link."""
    address, heard = elsewhere
    change(
        BASE_URL=live_server.url, CLIENTS=[{"name": "default", "redirects": [f"{address}/landed"]}]
    )
    link = link_for(pending, redirect=f"{address}/landed")
    browser.get(link)
    press(browser, "Confirm my address")
    WebDriverWait(browser, 30).until(lambda _: browser.title == "Landed")
    browser.get(link)
    browser.find_element(By.LINK_TEXT, "Continue").click()
    WebDriverWait(browser, 30).until(lambda _: browser.title == "Landed")
    browser.get(link)
    # A link as in a host's template, without ``rel``.
    browser.execute_script(
        "const a = document.createElement('a'); a.textContent = 'Elsewhere'; a.href = arguments[0];"
        "document.querySelector('main').append(a);",
        f"{address}/elsewhere",
    )
    browser.find_element(By.LINK_TEXT, "Elsewhere").click()
    WebDriverWait(browser, 30).until(lambda _: browser.title == "Landed")
    assert heard == [("/landed", None), ("/landed", None), ("/elsewhere", None)]


def test_logo(chromium, live_server, change, pending, elsewhere, monkeypatch):
    """The logo is loaded from its host, without a Referer; no other image is loaded."""
    address, heard = elsewhere
    # A server with TLS would need a certificate.
    monkeypatch.setattr(clients.looks, "_WEB", re.compile(r"(http://[0-9.:]+)/.*"))
    change(
        BASE_URL=live_server.url, CLIENTS=[{"name": "default", "logo": f"{address}/logo.png?a=1"}]
    )
    chromium.get(link_for(pending, client="default"))
    chromium.execute_async_script(
        "const image = new Image(), done = arguments[1];"
        "image.onerror = () => done(); image.src = arguments[0];",
        f"{live_server.url}/other.png",
    )
    assert heard == [("/logo.png?a=1", None)]
    (blocked,) = complaints(chromium)
    assert "img-src http://127.0.0.1:" in blocked


@pytest.mark.usefixtures("landing")
def test_scanner_with_scripts(browser, pending):
    """A scanner that opens the page and runs scripts confirms nothing."""
    link = link_for(pending)
    before = list(Delivery.objects.values()), list(Confirmation.objects.values())
    browser.get(link)
    browser.set_script_timeout(30)
    # Wait until nothing was loaded for half a second, as scanners do.
    loaded = browser.execute_async_script(
        """
        const done = arguments[arguments.length - 1];
        const count = () => performance.getEntriesByType("resource").length;
        let seen = count();
        let quiet = 0;
        const look = setInterval(() => {
            quiet = count() === seen ? quiet + 1 : 0;
            seen = count();
            if (document.readyState === "complete" && quiet >= 5) {
                clearInterval(look);
                done(performance.getEntriesByType("resource").map(entry => entry.name));
            }
        }, 100);
        """
    )
    assert [urlsplit(each).path for each in loaded] == ["/confirm/style.css"]
    assert browser.find_elements(By.TAG_NAME, "script") == []
    assert browser.current_url == link
    assert heading(browser) == "Confirm your e-mail address"
    assert before == (list(Delivery.objects.values()), list(Confirmation.objects.values()))
    assert state() == ConfirmationState.PENDING


@pytest.mark.parametrize("rel", ["prefetch", "prerender"])
def test_prefetch_by_a_page(browser, landing, pending, elsewhere, rel):
    """Prefetching the link confirms nothing."""
    link = link_for(pending, redirect=landing)
    browser.get(elsewhere[0])
    browser.execute_script(
        "const a = document.createElement('link'); a.rel = arguments[0]; a.href = arguments[1];"
        "document.head.append(a);",
        rel,
        link,
    )
    browser.get(link)
    assert heading(browser) == "Confirm your e-mail address"
    assert state() == ConfirmationState.PENDING


def test_another_frame(browser, landing, pending, elsewhere):
    """The page cannot be framed, which prevents clickjacking."""
    link = link_for(pending, redirect=landing)
    browser.get(elsewhere[0])
    browser.execute_script(
        "const frame = document.createElement('iframe'); frame.src = arguments[0];"
        "document.body.append(frame);",
        link,
    )
    WebDriverWait(browser, 30).until(
        lambda _: any("frame-ancestors" in text for text in complaints(browser))
    )
    assert state() == ConfirmationState.PENDING


APP = "app://login.example"


@pytest.mark.usefixtures("landing")
def test_an_apps_scheme(browser, live_server, change, pending, tmp_path):
    """If the app is not installed, the page after the press has a link to it."""
    change(BASE_URL=live_server.url, CLIENTS=[{"name": "default", "redirects": [APP]}])
    browser.get(link_for(pending, redirect=APP))
    press(browser, "Confirm my address")
    browser.save_screenshot(str(tmp_path / "thanks.png"))
    assert heading(browser) == "Thank you"
    assert browser.find_element(By.LINK_TEXT, "Continue").get_attribute("href") == APP
    assert state() == ConfirmationState.CONFIRMED


@pytest.mark.usefixtures("landing")
def test_not_me(browser, pending):
    """The message's link with ``#not-me`` shows the button, which withdraws."""
    link = link_for(pending)
    browser.get(f"{link}#not-me")
    assert state() == ConfirmationState.PENDING
    press(browser, "This was not me")
    assert heading(browser) == "Thank you for telling us"
    assert state() == ConfirmationState.WITHDRAWN


def asks():
    return Delivery.objects.count()


@pytest.mark.usefixtures("landing")
def test_reload_and_back(chromium, pending):
    """Reloading the page after a form, or going back, sends no further request."""
    link = link_for(pending)
    Delivery.objects.update(link_expires_at=timezone.now() - timedelta(seconds=1))
    Cooldown.objects.all().delete()
    chromium.get(link)
    press(chromium, "Send me a new link")
    before = asks()
    chromium.refresh()
    assert heading(chromium) == "A new link is on its way"
    chromium.back()
    assert heading(chromium) == "This link has expired"
    chromium.get(link.replace("token=", "token=x")[:-1])
    chromium.find_element(By.NAME, "address").send_keys("nobody@example.com")
    press(chromium, "Send me a new message")
    assert heading(chromium) == "Check your inbox"
    chromium.refresh()
    assert heading(chromium) == "Check your inbox"
    assert asks() == before + 1
    chromium.get_log("browser")
