"""The host's error pages at URLs of links: their content, error reports and our headers."""

import pytest
from asgiref.sync import async_to_sync
from django.core.signals import got_request_exception
from django.test import AsyncClient, Client
from django.urls import reverse

from resend_confirmation import engine

pytestmark = [pytest.mark.django, pytest.mark.django_db]

PAGE = "/confirm/"
TOKEN = "x" * 43
GUARDED = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
}


class Reporter:
    """A host's middleware that records exceptions and adds a header with a URL."""

    seen: list[str] = []

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        response["X-Home"] = reverse("home")
        return response

    def process_exception(self, request, exception):
        self.seen.append(str(exception))


@pytest.fixture
def browser(settings):
    """A test client for a host with its own error pages and middleware."""
    settings.ROOT_URLCONF = "tests.host_projects.urls_failing"
    settings.MIDDLEWARE = [f"{__name__}.Reporter", *settings.MIDDLEWARE]
    Reporter.seen.clear()
    return Client(raise_request_exception=False)


def assert_guarded(response, status, words):
    assert (response.status_code, response.content.decode()) == (status, words)
    assert {name: response[name] for name in GUARDED} == GUARDED
    assert response["X-Home"] == "/home/"


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_crash(method, browser, crash):
    """An unexpected error shows the host's 500 page with our headers, and is reported."""
    crash(engine, "inspect")
    crash(engine, "confirm")
    heard = []

    def hear(sender, request, **given):
        heard.append(request.path)

    got_request_exception.connect(hear)
    try:
        response = getattr(browser, method)(PAGE, {"token": TOKEN})
    finally:
        got_request_exception.disconnect(hear)
    assert_guarded(response, 500, "sorry; go to /home/")
    assert (Reporter.seen, heard) == (["CrashError"], [PAGE])


def test_a_crash_over_asgi(browser, crash):
    """This also works over ASGI, where the page is rendered in another thread."""
    crash(engine, "inspect")
    asgi = AsyncClient(raise_request_exception=False)
    response = async_to_sync(asgi.get)(PAGE, {"token": TOKEN})
    assert_guarded(response, 500, "sorry; go to /home/")


def test_a_bad_request(browser, settings):
    """A request that Django refuses gets the host's 400 page with our headers."""
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 1
    response = browser.post(PAGE, {"token": TOKEN, "a": "1", "b": "2"})
    assert_guarded(response, 400, "bad; go to /home/")


def test_the_hosts_other_pages(browser, crash):
    """Later requests for other pages are not affected."""
    crash(engine, "inspect")
    assert browser.get(PAGE, {"token": TOKEN}).status_code == 500
    assert browser.get("/home/").content == b"home"
    assert browser.get("/home/")["Referrer-Policy"] == "same-origin"
    assert browser.get("/nowhere/").status_code == 404


def test_under_debug(browser, crash, settings):
    """With DEBUG the page is Django's, and the middleware can still reverse the host's URLs."""
    settings.DEBUG = True
    crash(engine, "inspect")
    response = browser.get(PAGE, {"token": TOKEN})
    assert (response.status_code, response["X-Home"]) == (500, "/home/")
    assert b"kaboom" in response.content
