"""Tests of every ending: its response to the byte, its side effects and its headers."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from django.conf import settings as site_settings
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ...dialects.base import QUIET
from ...dialects.base.declarations import missing_rows
from ...models import Cooldown
from ...outcomes import ENDINGS, Ending, Outcome, Refusal
from .case import ADDRESS, Case
from .contract import Contract, expand, where
from .site import MIDDLEWARE, Site, wrong_method

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")

#: Headers that the package sets on every response.
OURS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
#: Headers that a host's middlewares set on every response that does not have them.
OF_THE_HOST = {
    "Content-Language": "en",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Vary": "Accept-Language",
    "X-Frame-Options": "DENY",
}


def told(case: Case) -> list[tuple[Ending]]:
    """Return the endings that have a row other than QUIET, SENT left out."""
    rows = case.view.answers
    return [(e,) for e in ENDINGS if e is not Outcome.SENT and rows[e] is not QUIET]


def quiet(case: Case) -> list[tuple[Ending]]:
    """Return the endings that have the row QUIET."""
    return [(ending,) for ending in ENDINGS if case.view.answers[ending] is QUIET]


def refused_methods(case: Case) -> Iterable[tuple[str]]:
    """Return every method except the dialect's; a dialect with GET accepts HEAD as well."""
    own = case.view.method.upper()
    taken = {"GET", "HEAD"} if own == "GET" else {own}
    return [(method,) for method in METHODS if method not in taken]


class Endings(Contract):
    """Tests that the table is complete and that every response equals the case's, to the byte."""

    def test_rows(self, case: Case) -> None:
        """The table has a row for every ending, and the case has an expected reply for each."""
        assert missing_rows(case.view.answers) == []
        assert set(case.endings) == set(ENDINGS)

    @expand("ending", rows=told)
    def test_told_ending_changes_nothing(self, case: Case, ending: Ending, site: Site) -> None:
        """An ending that is not quiet leaves the database unchanged and sends no message."""
        request = site.arrange(case, ending)
        with site.assert_unchanged():
            assert site.reply(request) == case.endings[ending]

    @expand("ending", rows=quiet)
    def test_quiet_ending_sends_nothing(self, case: Case, ending: Ending, site: Site) -> None:
        """A quiet ending looks like SENT and sends no message."""
        request = site.arrange(case, ending)
        site.delivered()
        assert site.reply(request) == case.endings[Outcome.SENT]
        assert site.delivered() == []

    def test_sent(self, case: Case, site: Site) -> None:
        """A pending account gets one message, sent to the stored address."""
        site.pending()
        assert site.reply(case.request_for(ADDRESS)) == case.endings[Outcome.SENT]
        (message,) = site.delivered()
        assert message.to == [ADDRESS]

    def test_wrong_method(self, case: Case, site: Site) -> None:
        """Any other method gets the vendor's refusal with ``Allow``, also with a trailing slash."""
        site.pending()
        request = case.request_for(ADDRESS)
        methods = [method for (method,) in refused_methods(case) if method != "HEAD"]
        with site.assert_unchanged():
            refused = {method: site.reply(replace(request, method=method)) for method in methods}
            slashed = site.reply(replace(request.slashed(), method=methods[0]))
        assert refused == dict.fromkeys(methods, case.endings[Refusal.WRONG_METHOD])
        assert slashed == case.endings[Refusal.WRONG_METHOD]

    @where(lambda case: case.view.method != "get")
    def test_head(self, case: Case, site: Site) -> None:
        """HEAD is refused as a wrong method too, and the response has no body."""
        site.pending()
        with site.assert_unchanged():
            response = site.send(replace(case.request_for(ADDRESS), method="HEAD"))
        refused = case.endings[Refusal.WRONG_METHOD]
        assert (response.status_code, response.content) == (refused.status, b"")
        assert response["Allow"] == refused.headers["Allow"] == case.view.method.upper()

    def test_trailing_slash(self, case: Case, site: Site) -> None:
        """One trailing slash is accepted without a redirect."""
        site.pending()
        assert site.reply(case.request_for(ADDRESS).slashed()) == case.endings[Outcome.SENT]
        assert len(site.delivered()) == 1

    @where(lambda case: case.view.answers[Outcome.COOLING_DOWN] is not QUIET)
    def test_refused_requests_do_not_lengthen_the_cooldown(self, case: Case, site: Site) -> None:
        """The cooldown runs from the last message sent, even if clients repeat refused requests."""
        site.pending()
        start = site.clock.epoch
        assert site.reply(case.request_for(ADDRESS)) == case.endings[Outcome.SENT]
        assert len(site.delivered()) == 1
        row = list(Cooldown.objects.values())
        waits = "Retry-After" in case.endings[Outcome.COOLING_DOWN].headers
        for left in (40, 20, 1):
            site.clock.epoch = start + 60 - left
            refused = site.reply(case.request_for(ADDRESS))
            assert refused.status == case.endings[Outcome.COOLING_DOWN].status
            assert refused.headers.get("Retry-After") == (str(left) if waits else None)
        assert list(Cooldown.objects.values()) == row
        site.clock.epoch = start + 60
        assert site.reply(case.request_for(ADDRESS)) == case.endings[Outcome.SENT]
        assert len(site.delivered()) == 1


class Headers(Contract):
    """Tests of all headers of every response, with a host's middlewares and without any."""

    @pytest.fixture(params=["host", "bare"])
    def added(self, request: Any, site: Site) -> dict[str, str]:
        """Return the headers that the host adds to each response."""
        if request.param == "bare":
            site.settings.MIDDLEWARE = []
            return {}
        locale = "django.middleware.locale.LocaleMiddleware"
        site.settings.MIDDLEWARE = [*MIDDLEWARE[:2], locale, *MIDDLEWARE[2:]]
        return OF_THE_HOST

    @pytest.fixture
    def logged_in(self, site: Site) -> dict[str, str]:
        """Return the headers of a browser that has a session on the host."""
        session = SessionStore()
        session["cart"] = "full"
        session.create()
        name = site_settings.SESSION_COOKIE_NAME
        return {"Cookie": f"{name}={session.session_key}; csrftoken={'x' * 32}"}

    @pytest.mark.parametrize("ending", ENDINGS, ids=str)
    def test_headers(
        self,
        case: Case,
        ending: Ending,
        site: Site,
        added: dict[str, str],
        logged_in: dict[str, str],
    ) -> None:
        """Every ending has exactly these headers, sets no cookie and does not use the session."""
        request = site.arrange(case, ending)
        request = replace(request, headers={**request.headers, **logged_in})
        before = list(Session.objects.values())
        with CaptureQueriesContext(connection) as queries:
            response = site.send(request)
        expected = case.endings[ending]
        length = {"Content-Length": str(len(expected.body))} if added else {}
        assert dict(response.items()) == OURS | added | length | dict(expected.headers)
        assert response.status_code == expected.status
        assert not response.cookies
        assert not [q for q in queries if Session._meta.db_table in q["sql"]]
        assert list(Session.objects.values()) == before

    @expand("method", rows=refused_methods)
    def test_headers_of_other_methods(
        self,
        case: Case,
        method: str,
        site: Site,
        added: dict[str, str],
        logged_in: dict[str, str],
    ) -> None:
        """A wrong method is refused with the same headers and without a cookie."""
        request = case.request_for(ADDRESS)
        headers = {**request.headers, **logged_in}
        response = site.send(replace(request, method=method, headers=headers))
        expected = case.endings[Refusal.WRONG_METHOD]
        length = {"Content-Length": str(len(expected.body))} if added else {}
        assert dict(response.items()) == OURS | added | length | dict(expected.headers)
        assert response.content == (b"" if method == "HEAD" else expected.body)
        assert not response.cookies

    def test_headers_of_success_and_refusal(self, case: Case, site: Site) -> None:
        """The package's headers are set; ``Vary``, ``WWW-Authenticate`` and cookies are not."""
        site.pending()
        wrong = replace(case.request_for(ADDRESS), method=wrong_method(case))
        for request in (case.request_for(ADDRESS), case.request_for("nobody@example.com"), wrong):
            response = site.send(request)
            assert {name: response[name] for name in OURS} == OURS
            assert not {"Vary", "WWW-Authenticate"} & set(response.headers)
            assert not response.cookies
