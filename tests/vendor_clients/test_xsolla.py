"""npm @xsolla/login-sdk 0.95, in both of its modes: Api.resendEmail."""

from collections.abc import Callable
from typing import Any

import pytest

from .conftest import IN_GERMAN, SUBJECT, nothing_sent, sent_once

pytestmark = [pytest.mark.server, pytest.mark.node]

GAME = "40db2ea4-5d42-11e6-a3ff-005056a0e04a"
ARCADE = "5b0e9c1e-77a1-4f5c-9d6a-0d1f5a3b2c58"
KIOSK = "9f2d4a60-1111-4c59-8b59-000000000059"
Mode = Callable[..., dict[str, Any]]


def jwt(url: str, **more: str) -> dict[str, Any]:
    return {"apiUrl": f"{url}/api", "projectId": GAME, **more}


def oauth2(url: str, **more: str | int) -> dict[str, Any]:
    """Return a configuration for OAuth 2.0, which the library only uses with all four keys."""
    return {
        "apiUrl": f"{url}/api",
        "projectId": GAME,
        "clientId": 57,
        "responseType": "code",
        "redirectUri": f"{url}/landing/game/",
        "state": "state-of-the-game",
        **more,
    }


MODES = [jwt, oauth2]
DIALECTS = {jwt: "xsolla-jwt", oauth2: "xsolla-oauth2"}


@pytest.fixture
def ask(run):
    """Return a function that calls the library and returns what it returned or threw."""

    def ask(mode: Mode, config: dict[str, Any], username: str) -> Any:
        ending = run("xsolla.cjs", config=config, username=username)
        assert ending.pop("oauth2") is (mode is oauth2)
        return ending

    return ask


def thrown(code: str) -> dict[str, Any]:
    """Return the library's APIError, which only has the response's code, as a string."""
    return {"thrown": {"ofTheApi": True, "code": code, "message": code}}


@pytest.mark.parametrize("mode", MODES)
def test_sent(ask, sites, mode):
    """The promise resolves to an empty string, and one message is sent."""
    site, waiting = sites["open"], sites.waiting()
    with sent_once(site, DIALECTS[mode], waiting):
        assert ask(mode, mode(site.url), waiting) == {"returned": ""}


@pytest.mark.parametrize("mode", MODES)
def test_user_name(ask, sites, mode):
    """A user name works as well as an address."""
    site, waiting = sites["open"], sites.waiting()
    with sent_once(site, DIALECTS[mode], waiting):
        assert ask(mode, mode(site.url), waiting.partition("@")[0]) == {"returned": ""}


@pytest.mark.parametrize(
    ("mode", "subject", "more"),
    [
        (
            jwt,
            IN_GERMAN,
            {
                "projectId": ARCADE,
                "callbackUrl": "https://arcade.example/b?keep=1",
                "payload": "say {\"what\": 'you' & I like}",
                "fullLocale": "de-DE",
                "emailTemplate": "2",
                "with_logout": "1",
            },
        ),
        (
            oauth2,
            SUBJECT,
            {
                "projectId": ARCADE,
                "clientId": 58,
                "redirectUri": "app://xlogin.com.example.arcade",
                "scope": "email offline",
                "fullLocale": "en-US",
                "emailTemplate": "2",
            },
        ),
    ],
    ids=["jwt", "oauth2"],
)
def test_sent_with_all_options(ask, sites, mode, subject, more):
    """All options of the library are used, such as the locale, or ignored."""
    site, waiting = sites["open"], sites.waiting()
    with sent_once(site, DIALECTS[mode], waiting, client="arcade", subject=subject):
        assert ask(mode, mode(site.url, **more), waiting) == {"returned": ""}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("username", "code"),
    [
        ("nobody@example.com", "003-002"),
        ("confirmed@example.com", "003-409"),
        ("blocked@example.com", "002-040"),
        ("", "0"),
        ("a" * 256, "0"),
        ("a" * 20_000, "0"),
    ],
    ids=["unknown", "confirmed", "blocked", "empty", "too long", "too large"],
)
def test_refused(ask, sites, mode, username, code):
    """The error has the vendor's code."""
    site = sites["open"]
    with nothing_sent(site):
        assert ask(mode, mode(site.url), username) == thrown(code)


@pytest.mark.parametrize(
    ("mode", "more", "code"),
    [
        (jwt, {"projectId": "00000000-0000-4000-8000-000000000000"}, "003-061"),
        (jwt, {"projectId": KIOSK}, "003-020"),
        (jwt, {"projectId": ARCADE}, "010-011"),
        (jwt, {"callbackUrl": "https://elsewhere.example/"}, "010-012"),
        (jwt, {"payload": "a" * 2001}, "0"),
        (oauth2, {"clientId": 99}, "010-019"),
        (oauth2, {"clientId": 59, "redirectUri": "https://kiosk.example/"}, "003-020"),
        (oauth2, {"redirectUri": "https://elsewhere.example/"}, "010-012"),
        (oauth2, {"state": "12345678"}, "010-022"),
        (oauth2, {"clientId": "game"}, "0"),
    ],
    ids=[
        *("jwt, unknown client", "jwt, not enabled", "jwt, no redirect", "jwt, wrong redirect"),
        *("jwt, long payload", "oauth2, unknown client", "oauth2, not enabled"),
        *("oauth2, wrong redirect", "oauth2, weak state", "oauth2, no number"),
    ],
)
def test_refused_for_its_options(ask, sites, mode, more, code):
    """For wrong options the error has the vendor's code."""
    site = sites["open"]
    with nothing_sent(site):
        assert ask(mode, mode(site.url, **more), sites.waiting()) == thrown(code)


@pytest.mark.parametrize("mode", MODES)
def test_cooling_down(ask, sites, mode):
    """A second request at once is refused, and sends no message."""
    site, waiting = sites["open"], sites.waiting()
    with sent_once(site, DIALECTS[mode], waiting):
        assert ask(mode, mode(site.url), waiting) == {"returned": ""}
        assert ask(mode, mode(site.url), waiting) == thrown("002-057")


@pytest.mark.parametrize("mode", MODES)
def test_throttled(ask, sites, mode):
    """Too many requests from a network are refused."""
    site = sites["throttled"]
    ask(mode, mode(site.url), "confirmed@example.com")
    with nothing_sent(site):
        assert ask(mode, mode(site.url), sites.waiting()) == thrown("002-057")


@pytest.mark.parametrize("mode", MODES)
def test_failed(ask, sites, mode):
    """An unexpected error of the site is thrown like the others."""
    site = sites["broken"]
    with nothing_sent(site):
        assert ask(mode, mode(site.url), sites.waiting()) == thrown("004-001")
