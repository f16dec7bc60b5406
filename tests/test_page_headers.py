"""All headers of the link's pages, in each state."""

import re

import pytest
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.core import mail
from django.test import Client

from resend_confirmation import engine, start

from .sessions import MIDDLEWARE, OF_THE_HOST

pytestmark = pytest.mark.django

PAGE = "/confirm/"
NEW = "/confirm/new/"
STYLE = "/confirm/style.css"
FOREIGN = "x" * 43

#: Headers of all pages, also of responses with status 405.
GUARDED = {
    "Cache-Control": "no-store",
    "Content-Type": "text/html; charset=utf-8",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
}
#: Only our stylesheet may be loaded; nothing inline, no frames, no forms to other sites.
POLICY = (
    "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "form-action 'self'"
)
LANDING = f"{POLICY} https://game.example"
NOTHING = "default-src 'none'; frame-ancestors 'none'"


@pytest.fixture(params=["host", "bare"])
def host(request, settings):
    """Install the host's middleware, or none, and return the headers that it adds."""
    settings.MIDDLEWARE = MIDDLEWARE if request.param == "host" else []
    return OF_THE_HOST if request.param == "host" else {}


@pytest.fixture
def browser(confirmed):
    """A test client that is logged in and has a CSRF cookie."""
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(confirmed)
    browser.cookies["csrftoken"] = "x" * 32
    return browser


@pytest.fixture
def token(pending, clock):
    """The token of the message to pending@example.com, with a redirect to the game."""
    start(pending, client="game", redirect="https://game.example/callback")
    engine.drain()
    found = re.search(r"\?token=([A-Za-z0-9_-]{43})", str(mail.outbox[0].body))
    assert found
    return found[1]


def ready(browser, token, clock):
    return browser.get(PAGE, {"token": token})


def ready_head(browser, token, clock):
    return browser.head(PAGE, {"token": token})


def foreign(browser, token, clock):
    return browser.get(PAGE, {"token": FOREIGN})


def foreign_post(browser, token, clock):
    return browser.post(PAGE, {"token": FOREIGN})


def nothing(browser, token, clock):
    return browser.get(PAGE)


def confirmed_and_on(browser, token, clock):
    return browser.post(PAGE, {"token": token})


def already(browser, token, clock):
    browser.post(PAGE, {"token": token})
    return browser.get(PAGE, {"token": token})


def already_post(browser, token, clock):
    browser.post(PAGE, {"token": token})
    return browser.post(PAGE, {"token": token})


def expired(browser, token, clock):
    clock.move(hours=24)
    return browser.get(PAGE, {"token": token})


def dead(browser, token, clock):
    get_user_model().objects.filter(username="pending").update(is_active=False)
    return browser.get(PAGE, {"token": token})


def dead_post(browser, token, clock):
    get_user_model().objects.filter(username="pending").update(is_active=False)
    return browser.post(PAGE, {"token": token})


def renewed(browser, token, clock):
    clock.move(hours=24)
    return browser.post(NEW, {"token": token})


def renewed_and_on(browser, token, clock):
    return browser.get("/confirm/sent/?language=en")


def disowned(browser, token, clock):
    return browser.post("/confirm/not-me/", {"token": token})


def asked(browser, token, clock):
    return browser.post("/confirm/request/", {"address": "pending@example.com"})


def by_get(browser, token, clock):
    return browser.get(NEW)


def renewed_too_soon(browser, token, clock):
    clock.move(hours=24)
    browser.post(NEW, {"token": token})
    return browser.post(NEW, {"token": token})


def renewed_foreign(browser, token, clock):
    return browser.post(NEW, {"token": FOREIGN})


#: The states of the pages, with status, policy and further headers.
STATES = [
    (ready, (200, LANDING, {})),
    (ready_head, (200, LANDING, {})),
    (foreign, (404, POLICY, {})),
    (foreign_post, (404, POLICY, {})),
    (nothing, (404, POLICY, {})),
    (confirmed_and_on, (303, POLICY, {"Location": "https://game.example/callback"})),
    (already, (200, LANDING, {})),
    (already_post, (200, LANDING, {})),
    (expired, (410, LANDING, {})),
    (dead, (410, LANDING, {})),
    (dead_post, (410, LANDING, {})),
    (renewed, (303, POLICY, {"Location": "/confirm/sent/?language=en"})),
    (renewed_and_on, (200, POLICY, {})),
    (renewed_too_soon, (429, LANDING, {"Retry-After": "60"})),
    (disowned, (303, POLICY, {"Location": "/confirm/disowned/?language=en"})),
    (asked, (303, POLICY, {"Location": "/confirm/asked/?language=en"})),
    (by_get, (405, POLICY, {"Allow": "POST"})),
    (renewed_foreign, (404, POLICY, {})),
]


def headers(response):
    """Return all headers except Content-Length."""
    return {name: value for name, value in response.items() if name != "Content-Length"}


@pytest.mark.parametrize(("visit", "expected"), STATES)
def test_states(visit, expected, browser, token, clock, host):
    """Each state has exactly these headers, sets no cookie and does not change the session."""
    status, policy, more = expected
    before = list(Session.objects.values())
    response = visit(browser, token, clock)
    assert response.status_code == status
    policies = {"Content-Security-Policy": policy}
    assert headers(response) == GUARDED | host | policies | more
    assert not response.cookies
    assert list(Session.objects.values()) == before


REFUSED = [
    *(
        (PAGE, method, "GET, HEAD, POST")
        for method in ("OPTIONS", "PUT", "PATCH", "DELETE", "TRACE")
    ),
    *((NEW, method, "POST") for method in ("HEAD", "OPTIONS", "PUT", "DELETE")),
]


@pytest.mark.parametrize(("path", "method", "allowed"), REFUSED)
def test_refused_methods(path, method, allowed, browser, token, host):
    """A 405 has the same headers as a page."""
    response = browser.generic(method, f"{path}?token={token}")
    assert response.status_code == 405
    more = {"Content-Security-Policy": POLICY, "Allow": allowed}
    assert headers(response) == GUARDED | host | more
    assert (response.content, dict(response.cookies)) == (b"", {})


STYLED = {name: value for name, value in GUARDED.items() if name != "X-Robots-Tag"} | {
    "Content-Security-Policy": NOTHING
}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_style(method, browser, host):
    """The stylesheet may be cached."""
    response = browser.generic(method, STYLE)
    assert response.status_code == 200
    kept = {"Cache-Control": "public, max-age=3600", "Content-Type": "text/css; charset=utf-8"}
    assert headers(response) == STYLED | host | kept
    assert not response.cookies


@pytest.mark.parametrize("method", ["POST", "PUT", "OPTIONS"])
def test_style_refused(method, browser, host):
    """A 405 of the stylesheet's URL may not be cached."""
    response = browser.generic(method, STYLE)
    assert response.status_code == 405
    assert headers(response) == STYLED | host | {"Allow": "GET, HEAD"}


def test_pages_load_nothing_inline(browser, token, clock):
    """No page has a script or inline style, or loads anything except our stylesheet."""
    for visit, *_ in STATES:
        mail.outbox.clear()
        text = visit(browser, token, clock).content.decode()
        assert not re.search(r"<script|<style|\sstyle=|\son\w+=|javascript:", text, re.IGNORECASE)
        loaded = re.findall(
            r"<(?:link|img|iframe|object|embed|source)[^>]*?(?:href|src)=\"([^\"]+)", text
        )
        assert set(loaded) <= {STYLE}
