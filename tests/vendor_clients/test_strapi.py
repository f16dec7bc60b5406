"""npm strapi-sdk-js, for each of Strapi's generations: sendEmailConfirmation."""

from typing import Any

import pytest

from tests.demonstration import wait_for

from .conftest import deliveries, nothing_sent, sent_once

pytestmark = [pytest.mark.server, pytest.mark.node]

#: The package's name in package.json, and its dialect.
V3 = ("strapi-sdk-js-1", "strapi")
V4 = ("strapi-sdk-js-2", "strapi-v4")
V4_LATEST = ("strapi-sdk-js", "strapi-v4")
ALL = [V3, V4, V4_LATEST]
LATER = [V4, V4_LATEST]


@pytest.fixture
def ask(run):
    """Return a function that calls the library and returns what it returned or threw."""

    def ask(library: str, site, email: Any, **more: str) -> Any:
        options = {"url": site.url}
        return run("strapi.cjs", library=library, options=options, data={"email": email}, **more)

    return ask


def v3(status: int, message: str, reason: str) -> dict[str, Any]:
    """Return the error of version 1: a message from the response, and the response."""
    return {
        "thrown": {
            "status": status,
            "message": message,
            "original": {
                "code": status,
                "message": message,
                "statusCode": status,
                "error": reason,
            },
        }
    }


def v4(status: int, name: str, message: str, **details: Any) -> dict[str, Any]:
    """Return the error of versions 2 and 3: the unchanged response."""
    error = {"status": status, "name": name, "message": message, **details}
    return {"thrown": {"data": None, "error": error}}


@pytest.mark.parametrize(("library", "dialect"), ALL)
def test_sent(ask, sites, library, dialect):
    """The promise resolves to the vendor's response, and one message is sent."""
    site, waiting = sites["open"], sites.waiting()
    with sent_once(site, dialect, waiting):
        assert ask(library, site, waiting) == {"returned": {"email": waiting, "sent": True}}


@pytest.mark.parametrize(("library", "dialect"), ALL)
def test_stale_token(ask, sites, library, dialect):
    """A stale token of the vendor is ignored."""
    site, waiting = sites["open"], sites.waiting()
    with sent_once(site, dialect, waiting):
        ending = ask(library, site, waiting, token="stale")
    assert ending == {"returned": {"email": waiting, "sent": True}}


@pytest.mark.parametrize(
    ("email", "ending"),
    [
        ("nobody@example.com", v3(404, "Not found", "Not Found")),
        ("confirmed@example.com", v3(400, "already.confirmed", "Bad Request")),
        ("blocked@example.com", v3(400, "blocked.user", "Bad Request")),
        (None, v3(400, "missing.email", "Bad Request")),
        ("", v3(400, "missing.email", "Bad Request")),
        ("nobody", v3(400, "wrong.email", "Bad Request")),
        (123, v3(400, "wrong.email", "Bad Request")),
        ("a" * 20_000, v3(413, "Payload Too Large", "Payload Too Large")),
    ],
    ids=["unknown", "confirmed", "blocked", "none", "empty", "no address", "number", "too large"],
)
def test_refused_by_v3(ask, sites, email, ending):
    """Version 1 throws Strapi 3's message."""
    site = sites["open"]
    with nothing_sent(site):
        assert ask("strapi-sdk-js-1", site, email) == ending


def invalid(message: str, **value: Any) -> dict[str, Any]:
    """Return a ValidationError with details."""
    entry = {"path": ["email"], "message": message, "name": "ValidationError", **value}
    return v4(400, "ValidationError", message, details={"errors": [entry]})


@pytest.mark.parametrize(
    ("email", "ending"),
    [
        ("confirmed@example.com", v4(400, "ApplicationError", "Already confirmed", details={})),
        ("blocked@example.com", v4(400, "ApplicationError", "User blocked", details={})),
        (None, invalid("email is a required field")),
        ("nobody", invalid("email must be a valid email", value="nobody")),
        (
            123,
            invalid(
                "email must be a `string` type, but the final value was: `123`.",
                value=123,
            ),
        ),
        ("a" * 20_000, v4(413, "PayloadTooLargeError", "Payload Too Large", details={})),
    ],
    ids=["confirmed", "blocked", "none", "no address", "number", "too large"],
)
@pytest.mark.parametrize(("library", "dialect"), LATER)
def test_refused_by_v4(ask, sites, library, dialect, email, ending):
    """Versions 2 and 3 throw the body of Strapi 4 and 5."""
    site = sites["open"]
    with nothing_sent(site):
        assert ask(library, site, email) == ending


@pytest.mark.parametrize(
    ("library", "nobody"),
    [("strapi-sdk-js-2", "nobody@example.org"), ("strapi-sdk-js", "nobody@example.net")],
)
def test_unknown_is_quiet_in_v4(ask, sites, library, nobody):
    """Strapi 4 and 5 conceal that there is no account: the request is stored and ignored."""
    site = sites["open"]
    before = len(deliveries(site))
    assert ask(library, site, nobody) == {"returned": {"email": nobody, "sent": True}}
    assert [row[:2] for row in deliveries(site)[before:]] == [("strapi-v4", "game")]
    latest = "SELECT state FROM resend_confirmation_delivery ORDER BY id DESC LIMIT 1"
    wait_for(lambda: site.rows(latest) == [("ignored",)], "the courier's verdict")
    assert site.rows("SELECT id FROM inbox_message WHERE recipient = ?", nobody) == []


V3_TOO_OFTEN = v3(429, "Too many attempts, please try again in a minute.", "Too Many Requests")
V4_TOO_OFTEN = v4(429, "RateLimitError", "Too many requests, please try again later.", details={})
TOO_OFTEN = [(*V3, V3_TOO_OFTEN), (*V4, V4_TOO_OFTEN), (*V4_LATEST, V4_TOO_OFTEN)]


@pytest.mark.parametrize(("library", "dialect", "ending"), TOO_OFTEN)
def test_cooling_down(ask, sites, library, dialect, ending):
    """A second request at once is refused, and sends no message."""
    site, waiting = sites["open"], sites.waiting()
    with sent_once(site, dialect, waiting):
        assert ask(library, site, waiting) == {"returned": {"email": waiting, "sent": True}}
        assert ask(library, site, waiting) == ending


@pytest.mark.parametrize(("library", "dialect", "ending"), TOO_OFTEN)
def test_throttled(ask, sites, library, dialect, ending):
    """Too many requests from a network are refused."""
    site = sites["throttled"]
    ask(library, site, "confirmed@example.com")
    with nothing_sent(site):
        assert ask(library, site, sites.waiting()) == ending


V4_FORBIDDEN = v4(403, "ForbiddenError", "Forbidden", details={})


@pytest.mark.parametrize("name", ["not required", "without clients"])
@pytest.mark.parametrize(
    ("library", "ending"),
    [
        ("strapi-sdk-js-1", v3(403, "Forbidden", "Forbidden")),
        ("strapi-sdk-js-2", V4_FORBIDDEN),
        ("strapi-sdk-js", V4_FORBIDDEN),
    ],
)
def test_forbidden(ask, sites, name, library, ending):
    """A site without clients, or that does not require confirmation, refuses the request."""
    site = sites[name]
    with nothing_sent(site):
        assert ask(library, site, sites.waiting()) == ending


V4_FAILED = v4(500, "InternalServerError", "Internal Server Error")


@pytest.mark.parametrize(
    ("library", "ending"),
    [
        ("strapi-sdk-js-1", v3(500, "Internal Server Error", "Internal Server Error")),
        ("strapi-sdk-js-2", V4_FAILED),
        ("strapi-sdk-js", V4_FAILED),
    ],
)
def test_failed(ask, sites, library, ending):
    """An unexpected error of the site is thrown like the others."""
    site = sites["broken"]
    with nothing_sent(site):
        assert ask(library, site, sites.waiting()) == ending
