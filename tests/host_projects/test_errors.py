"""The host's own error page behind a link: its words, its reports, and our headers."""

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
    """A middleware of the host's that hears of exceptions, and writes a link into answers."""

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
    """A browser at a host with its own error pages and reporter."""
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
    """A crash behind the page leads to the host's 500 page and a report, and nothing is kept."""
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
    """Over ASGI too, where the page is written in another thread than the one that crashed."""
    crash(engine, "inspect")
    asgi = AsyncClient(raise_request_exception=False)
    response = async_to_sync(asgi.get)(PAGE, {"token": TOKEN})
    assert_guarded(response, 500, "sorry; go to /home/")


def test_a_bad_request(browser, settings):
    """A request that Django itself refuses gets the host's 400."""
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 1
    response = browser.post(PAGE, {"token": TOKEN, "a": "1", "b": "2"})
    assert_guarded(response, 400, "bad; go to /home/")


def test_the_hosts_other_pages(browser, crash):
    """The request after it, and a crash of the host's own, are not affected."""
    crash(engine, "inspect")
    assert browser.get(PAGE, {"token": TOKEN}).status_code == 500
    assert browser.get("/home/").content == b"home"
    assert browser.get("/home/")["Referrer-Policy"] == "same-origin"
    assert browser.get("/nowhere/").status_code == 404


def test_under_debug(browser, crash, settings):
    """Under DEBUG the page is Django's own, and the host's URLs are still found."""
    settings.DEBUG = True
    crash(engine, "inspect")
    response = browser.get(PAGE, {"token": TOKEN})
    assert (response.status_code, response["X-Home"]) == (500, "/home/")
    assert b"kaboom" in response.content
