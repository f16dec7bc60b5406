"""Every ending, to the byte: what it says, what it costs, and the headers that come with it."""

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
from ...dialects.base.answers import missing_rows
from ...models import Cooldown
from ...outcomes import ENDINGS, Ending, Outcome, Refusal
from .case import ADDRESS, Case
from .contract import Contract, expand, where
from .site import MIDDLEWARE, Site, wrong_method

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")

#: On every answer.
OURS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
#: What a host's middlewares put on every answer that does not say otherwise.
OF_THE_HOST = {
    "Content-Language": "en",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Vary": "Accept-Language",
    "X-Frame-Options": "DENY",
}


def told(case: Case) -> list[tuple[Ending]]:
    """The endings but SENT that a table tells."""
    rows = case.view.answers
    return [(e,) for e in ENDINGS if e is not Outcome.SENT and rows[e] is not QUIET]


def quiet(case: Case) -> list[tuple[Ending]]:
    """The endings that a table does not tell."""
    return [(ending,) for ending in ENDINGS if case.view.answers[ending] is QUIET]


def refused_methods(case: Case) -> Iterable[tuple[str]]:
    """Every method but the dialect's own; a GET is answered to HEAD, too."""
    own = case.view.method.upper()
    taken = {"GET", "HEAD"} if own == "GET" else {own}
    return [(method,) for method in METHODS if method not in taken]


class Endings(Contract):
    """A table is total, and every ending is what the case says, to the byte."""

    def test_rows(self, case: Case) -> None:
        """The table has a row for every ending, and the case an answer."""
        assert missing_rows(case.view.answers) == []
        assert set(case.endings) == set(ENDINGS)

    @expand("ending", rows=told)
    def test_told_ending_changes_nothing(self, case: Case, ending: Ending, site: Site) -> None:
        """An ending that is told leaves the database as it was, and no message goes out."""
        ask = site.arrange(case, ending)
        with site.assert_unchanged():
            assert site.reply(ask) == case.endings[ending]

    @expand("ending", rows=quiet)
    def test_quiet_ending_sends_nothing(self, case: Case, ending: Ending, site: Site) -> None:
        """An ending that is not told looks like SENT, and no message goes out."""
        ask = site.arrange(case, ending)
        site.delivered()
        assert site.reply(ask) == case.endings[Outcome.SENT]
        assert site.delivered() == []

    def test_sent(self, case: Case, site: Site) -> None:
        """A pending account gets one message, at the address as stored."""
        site.pending()
        assert site.reply(case.ask(ADDRESS)) == case.endings[Outcome.SENT]
        (message,) = site.delivered()
        assert message.to == [ADDRESS]

    def test_wrong_method(self, case: Case, site: Site) -> None:
        """Any other method gets the vendor's answer, with what is allowed."""
        site.pending()
        ask = case.ask(ADDRESS)
        methods = [method for (method,) in refused_methods(case) if method != "HEAD"]
        with site.assert_unchanged():
            refused = {method: site.reply(replace(ask, method=method)) for method in methods}
            slashed = site.reply(replace(ask.slashed(), method=methods[0]))
        assert refused == dict.fromkeys(methods, case.endings[Refusal.WRONG_METHOD])
        assert slashed == case.endings[Refusal.WRONG_METHOD]

    @where(lambda case: case.view.method != "get")
    def test_head(self, case: Case, site: Site) -> None:
        """HEAD is a wrong method too, whose answer has no body."""
        site.pending()
        with site.assert_unchanged():
            response = site.send(replace(case.ask(ADDRESS), method="HEAD"))
        refused = case.endings[Refusal.WRONG_METHOD]
        assert (response.status_code, response.content) == (refused.status, b"")
        assert response["Allow"] == refused.headers["Allow"] == case.view.method.upper()

    def test_trailing_slash(self, case: Case, site: Site) -> None:
        """One trailing slash is taken, and nobody is redirected."""
        site.pending()
        assert site.reply(case.ask(ADDRESS).slashed()) == case.endings[Outcome.SENT]
        assert len(site.delivered()) == 1

    @where(lambda case: case.view.answers[Outcome.COOLING_DOWN] is not QUIET)
    def test_refused_asks_do_not_lengthen_the_cooldown(self, case: Case, site: Site) -> None:
        """Clients repeat a 429 by themselves: the wait runs on from the message that went out."""
        site.pending()
        start = site.clock.epoch
        assert site.reply(case.ask(ADDRESS)) == case.endings[Outcome.SENT]
        assert len(site.delivered()) == 1
        row = list(Cooldown.objects.values())
        waits = "Retry-After" in case.endings[Outcome.COOLING_DOWN].headers
        for left in (40, 20, 1):
            site.clock.epoch = start + 60 - left
            refused = site.reply(case.ask(ADDRESS))
            assert refused.status == case.endings[Outcome.COOLING_DOWN].status
            assert refused.headers.get("Retry-After") == (str(left) if waits else None)
        assert list(Cooldown.objects.values()) == row
        site.clock.epoch = start + 60
        assert site.reply(case.ask(ADDRESS)) == case.endings[Outcome.SENT]
        assert len(site.delivered()) == 1


class Headers(Contract):
    """The headers of every answer, in full, under a host's middlewares and alone."""

    @pytest.fixture(params=["host", "bare"])
    def added(self, request: Any, site: Site) -> dict[str, str]:
        """What the host adds to each answer."""
        if request.param == "bare":
            site.settings.MIDDLEWARE = []
            return {}
        locale = "django.middleware.locale.LocaleMiddleware"
        site.settings.MIDDLEWARE = [*MIDDLEWARE[:2], locale, *MIDDLEWARE[2:]]
        return OF_THE_HOST

    @pytest.fixture
    def logged_in(self, site: Site) -> dict[str, str]:
        """The header of a browser that has a session of the host's."""
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
        """Every ending has these and no other, no cookie, and leaves the session alone."""
        ask = site.arrange(case, ending)
        ask = replace(ask, headers={**ask.headers, **logged_in})
        before = list(Session.objects.values())
        with CaptureQueriesContext(connection) as queries:
            response = site.send(ask)
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
        """A wrong method is refused with the same headers, with no cookie and no session."""
        ask = case.ask(ADDRESS)
        headers = {**ask.headers, **logged_in}
        response = site.send(replace(ask, method=method, headers=headers))
        expected = case.endings[Refusal.WRONG_METHOD]
        length = {"Content-Length": str(len(expected.body))} if added else {}
        assert dict(response.items()) == OURS | added | length | dict(expected.headers)
        assert response.content == (b"" if method == "HEAD" else expected.body)
        assert not response.cookies

    def test_headers_of_success_and_refusal(self, case: Case, site: Site) -> None:
        """Neither is kept nor guessed at, and none names a way to log in."""
        site.pending()
        wrong = replace(case.ask(ADDRESS), method=wrong_method(case))
        for ask in (case.ask(ADDRESS), case.ask("nobody@example.com"), wrong):
            response = site.send(ask)
            assert {name: response[name] for name in OURS} == OURS
            assert not {"Vary", "WWW-Authenticate"} & set(response.headers)
            assert not response.cookies
