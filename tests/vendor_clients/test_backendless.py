"""npm backendless 8: resendEmailConfirmation, with each way to configure the library."""

from typing import Any

import pytest

from .conftest import nothing_sent, sent_once

pytestmark = [pytest.mark.server, pytest.mark.node]

APP = "F2FE78BB-5D08-44FE-B074-6E7C29B49B03"
KEY = "7C1A9E00-0000-4000-8000-000000000001"
OTHER_KEY = "7C1A9E00-0000-4000-8000-000000000002"
KIOSK = "0B6C1E5A-59AA-4C1D-8A59-000000000059"
KIOSK_KEY = "7C1A9E00-0000-4000-8000-000000000059"


def address(url: str) -> dict[str, Any]:
    return {"init": [url]}


def id_and_key(url: str, app: str = APP, key: str = KEY) -> dict[str, Any]:
    return {"server": url, "init": [app, key]}


def options_with_address(url: str) -> dict[str, Any]:
    return {"init": [{"domain": url}]}


def options_with_id_and_key(url: str) -> dict[str, Any]:
    return {"init": [{"serverURL": url, "appId": APP, "apiKey": OTHER_KEY}]}


def instance_of_its_own(url: str) -> dict[str, Any]:
    return {"init": [{"serverURL": url, "appId": APP, "apiKey": KEY, "standalone": True}]}


def prefix(url: str) -> dict[str, Any]:
    return {"init": [{"domain": url, "apiURI": f"/{APP}/{KEY}"}]}


def slash_at_the_end(url: str) -> dict[str, Any]:
    return {"init": [f"{url}/"]}


FORMS = [
    *(address, id_and_key, options_with_address, options_with_id_and_key),
    *(instance_of_its_own, prefix, slash_at_the_end),
]
#: The client is identified by the host, or is the default client; or by id and key.
ROOTS = [address, id_and_key]


@pytest.fixture
def ask(run):
    """Return a function that calls the library and returns what it returned or threw."""

    def ask(setup: dict[str, Any], identity: str | int, **more: str) -> Any:
        return run("backendless.cjs", library="backendless", identity=identity, **setup, **more)

    return ask


def thrown(status: int, code: int, message: str) -> dict[str, Any]:
    """Return the library's error, without the seconds to wait."""
    return {
        "thrown": {
            "kind": "ResponseError",
            "status": status,
            "code": code,
            "message": message,
            "body": {"message": message, "code": code},
        }
    }


NOT_FOUND = thrown(
    400, 3104, "Unable to send email confirmation - user account with the email cannot be found."
)
CONFIRMED = thrown(
    400, 3102, "User has already confirmed the email address. Email confirmation will not be sent."
)
NOT_REQUIRED = thrown(
    400,
    3103,
    'Unable to send email confirmation. The "Require Email Confirmation" option must be enabled '
    "in Backendless Console (see the Users > Registration screen)",
)
UNKNOWN_CLIENT = thrown(
    400,
    2002,
    "Version is disabled or provided wrong application info (application id or secret key)",
)
TOO_OFTEN = thrown(429, 999, "Cannot process request - request per second limit has been exhausted")
FAILED = thrown(500, 500, "Something went wrong.")


@pytest.mark.parametrize("form", FORMS)
def test_sent(ask, sites, form):
    """The promise resolves to an empty string, and one message is sent."""
    site, waiting = sites["open"], sites.waiting()
    with sent_once(site, "backendless", waiting):
        assert ask(form(site.url), waiting) == {"returned": ""}


@pytest.mark.parametrize("form", FORMS)
def test_confirmed(ask, sites, form):
    """The promise rejects with the vendor's error."""
    site = sites["open"]
    with nothing_sent(site):
        assert ask(form(site.url), "confirmed@example.com") == CONFIRMED


@pytest.mark.parametrize(("form", "name"), [(address, "open"), (id_and_key, "open too")])
@pytest.mark.parametrize(
    ("identity", "to"),
    [
        ("plus+tag@example.com", "plus+tag@example.com"),
        ("PENDING.upper@EXAMPLE.com", "Pending.Upper@Example.com"),
        ("grüße@bücher.example", "grüße@bücher.example"),
        (7001, "number@example.com"),
    ],
    ids=["plus", "capitals", "umlauts", "number"],
)
def test_identities(ask, sites, form, name, identity, to):
    """All kinds of addresses, and a number, arrive unchanged."""
    site = sites[name]
    with sent_once(site, "backendless", to):
        assert ask(form(site.url), identity) == {"returned": ""}


@pytest.mark.parametrize("form", ROOTS)
@pytest.mark.parametrize(
    "identity",
    ["nobody@example.com", "blocked@example.com", "a" * 300],
    ids=["unknown", "blocked", "too long"],
)
def test_not_found(ask, sites, form, identity):
    """Unknown, deactivated and impossible identities get the same error."""
    site = sites["open"]
    with nothing_sent(site):
        assert ask(form(site.url), identity) == NOT_FOUND


@pytest.mark.parametrize("form", ROOTS)
def test_cooling_down(ask, sites, form):
    """A second request is refused with the seconds to wait, and sends no message."""
    site, waiting = sites["open"], sites.waiting()
    with sent_once(site, "backendless", waiting):
        assert ask(form(site.url), waiting) == {"returned": ""}
        again = ask(form(site.url), waiting)
    assert 0 < int(again["thrown"].pop("wait")) <= 60
    assert again == TOO_OFTEN


@pytest.mark.parametrize("form", ROOTS)
def test_throttled(ask, sites, form):
    """Too many requests from a network are refused with the seconds to wait."""
    site = sites["throttled"]
    ask(form(site.url), "confirmed@example.com")
    with nothing_sent(site):
        ending = ask(form(site.url), sites.waiting())
    assert 0 < int(ending["thrown"].pop("wait")) <= 24 * 60 * 60
    assert ending == TOO_OFTEN


@pytest.mark.parametrize("form", ROOTS)
def test_failed(ask, sites, form):
    """An unexpected error of the site is thrown like the others."""
    site = sites["broken"]
    with nothing_sent(site):
        assert ask(form(site.url), sites.waiting()) == FAILED


@pytest.mark.parametrize(("app", "key"), [(APP, KIOSK_KEY), (APP.lower(), KEY), ("A", "B")])
def test_unknown_client(ask, sites, app, key):
    """An unknown application id or key is refused."""
    site = sites["open"]
    with nothing_sent(site):
        assert ask(id_and_key(site.url, app, key), sites.waiting()) == UNKNOWN_CLIENT


def test_no_clients(ask, sites):
    """Without id and key, and without a default client, the request is refused."""
    site = sites["without clients"]
    with nothing_sent(site):
        assert ask(address(site.url), sites.waiting()) == UNKNOWN_CLIENT


def test_not_required(ask, sites):
    """A client that does not require confirmation, identified by id and key, is refused."""
    site = sites["open"]
    with nothing_sent(site):
        ending = ask(id_and_key(site.url, KIOSK, KIOSK_KEY), sites.waiting())
    assert ending == NOT_REQUIRED


def test_not_required_by_default(ask, sites):
    """A default client that does not require confirmation is refused."""
    site = sites["not required"]
    with nothing_sent(site):
        assert ask(address(site.url), sites.waiting()) == NOT_REQUIRED


@pytest.mark.parametrize("form", ROOTS)
def test_stale_token(ask, sites, form):
    """A stale token of the vendor is ignored."""
    site, waiting = sites["open"], sites.waiting()
    with sent_once(site, "backendless", waiting):
        assert ask(form(site.url), waiting, token="stale") == {"returned": ""}
