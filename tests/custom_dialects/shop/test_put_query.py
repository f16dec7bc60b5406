"""PUT with a query and no body, and the key in a header."""

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest

from resend_confirmation.models import Delivery
from resend_confirmation.outcomes import Outcome, Refusal
from resend_confirmation.testing.dialects import (
    ADDRESS,
    Case,
    DialectContract,
    Request,
    Site,
    expected,
)
from shop.put_query import PutQueryResend

CLIENTS: list[dict[str, Any]] = [
    {"name": "game", "ids": {"put-query": "k-game"}, "redirects": ["https://game.example/"]},
    {"name": "kiosk", "ids": {"put-query": "k-kiosk"}, "required": False},
    {
        "name": "arcade",
        "ids": {"put-query": "k-arcade"},
        "redirects": ["https://arcade.example/a", "https://arcade.example/b"],
    },
]


def request_for(identity, client="game", redirect=""):
    """A good request."""
    given = {"user": identity, **({"return_url": redirect} if redirect else {})}
    return Request(
        path="/confirmations",
        query=urlencode(given, errors="surrogatepass"),
        content_type="",
        method="PUT",
        headers={"X-App-Key": f"k-{client}"},
    )


INVALID = expected(422, b'{"error":"INVALID"}')
CASE = Case(
    name="put-query",
    view=PutQueryResend,
    request_for=request_for,
    names_client=True,
    clients=CLIENTS,
    endings={
        Outcome.SENT: expected(204),
        Outcome.UNKNOWN: expected(404, b'{"error":"USER"}'),
        Outcome.CONFIRMED: expected(409, b'{"error":"CONFIRMED"}'),
        Outcome.BLOCKED: expected(403, b'{"error":"BLOCKED"}'),
        Outcome.COOLING_DOWN: expected(429, b'{"error":"WAIT"}', {"Retry-After": "45"}),
        Refusal.INVALID: INVALID,
        Refusal.MALFORMED: INVALID,
        Refusal.TOO_LARGE: expected(413, b'{"error":"TOO_LARGE"}'),
        Refusal.UNKNOWN_CLIENT: expected(401, b'{"error":"KEY"}'),
        Refusal.NOT_ENABLED: expected(403, b'{"error":"OFF"}'),
        Refusal.REDIRECT_REQUIRED: expected(422, b'{"error":"RETURN_URL"}'),
        Refusal.REDIRECT_NOT_ALLOWED: expected(422, b'{"error":"RETURN_URL"}'),
        Refusal.THROTTLED: expected(429, b'{"error":"WAIT"}', {"Retry-After": "37"}),
        Refusal.WRONG_METHOD: expected(405, b'{"error":"METHOD"}', {"Allow": "PUT"}),
        Refusal.FAILED: expected(500, b'{"error":"FAILED"}'),
    },
    faults={
        "empty": expected(422, b'{"error":"USER_REQUIRED"}'),
        "blank": INVALID,
        "over-long": INVALID,
        "NUL": INVALID,
        "a line break": INVALID,
        # Percent-encoded it is not valid UTF-8 and becomes U+FFFD: a name like any other.
        "a lone surrogate": expected(404, b'{"error":"USER"}'),
    },
)


class TestPutQuery(DialectContract):
    """PUT, a query alone and a success without a body keep the contract."""

    cases = [CASE]


@pytest.fixture
def site(db, settings, monkeypatch):
    """The host's site."""
    site = Site(settings, monkeypatch)
    site.configure_site(CASE)
    return site


def test_redirect(site):
    """The caller may name one of a client's redirects, since the query declares it."""
    site.pending()
    reply = site.reply(request_for(ADDRESS, "arcade", "https://arcade.example/b"))
    assert reply == expected(204)
    assert Delivery.objects.get().redirect == "1"


def test_key_is_needed(site):
    """Without the header there is no client; a repeated header is another value."""
    site.pending()
    for headers in ({}, {"X-App-Key": "k-game,k-game"}):
        refused = site.reply(replace(request_for(ADDRESS), headers=headers))
        assert refused == expected(401, b'{"error":"KEY"}')


def test_user_twice(site):
    """A parameter that is declared and comes twice is refused."""
    site.pending()
    refused = site.reply(replace(request_for(ADDRESS), query=f"user={ADDRESS}&user={ADDRESS}"))
    assert refused == expected(422, b'{"error":"INVALID"}')
