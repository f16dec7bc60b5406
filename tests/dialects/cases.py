"""What the contract needs to know of a dialect: how it is asked, and what it answers, literally.

Each vendor's test module says it of its own dialects in ``CASES``; ``all_cases`` gathers them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module

from resend_confirmation.dialects.base import DialectView
from resend_confirmation.outcomes import Ending

PACKAGE = "resend_confirmation.dialects."

ADDRESS = "pending@example.com"

#: Seconds since the epoch at which 37 seconds of the throttle's minute are left for 127.0.0.1.
NOW = 1_800_000_055

#: Headers by which an answer could say something; the others are the same on every answer.
TELLING = (
    "Allow",
    "Content-Type",
    "Location",
    "Retry-After",
    "Set-Cookie",
    "Vary",
    "WWW-Authenticate",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
)


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One request as it is on the wire: path and query are still percent-encoded."""

    path: str | bytes
    query: str = ""
    body: bytes = b""
    content_type: str = "application/json"
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Reply:
    """What came back, or must."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def says(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Reply:
    """The reply that must come: JSON where there is a body, and no telling header beyond."""
    form = {"Content-Type": "application/json"} if body else {}
    return Reply(status, body, form | dict(headers or {}))


def seen(response) -> Reply:
    """The reply that came."""
    headers = {name: response[name] for name in TELLING if response.has_header(name)}
    return Reply(response.status_code, response.content, headers)


#: The answers of a dialect, a row for every ending.
Endings = Mapping[Ending, Reply]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One way to one dialect.

    ``ask(identity, client)`` is a good request; client None is one that nobody knows. ``faults``
    are the answers to the bad identities and bad bodies that the contract names. ``field`` is
    where a body has the identity, empty where no body is read.
    """

    name: str
    view: type[DialectView]
    ask: Callable[..., Ask]
    endings: Endings
    faults: Mapping[str, Reply]
    field: str = ""
    names_client: bool = False

    def __str__(self) -> str:
        return self.name


def link_of(message) -> str:
    """The link in a message, without the site."""
    site = "https://site.example"
    links = [word for word in str(message.body).split() if word.startswith(f"{site}/confirm/")]
    assert len(links) == 1
    return links[0].removeprefix(site)


def token_of(message) -> str:
    """The token in a message's link."""
    return link_of(message).partition("?token=")[2]


def package_dialects() -> list[type[DialectView]]:
    """The dialects that come with the package, each imported because its URLs are mounted."""
    import_module("tests.urls")
    return [v for v in DialectView.by_name.values() if v.__module__.startswith(PACKAGE)]


def module_of(view: type[DialectView]) -> str:
    """The test module that a dialect must have: ``x.py`` has ``test_x.py``."""
    return f"tests.dialects.test_{view.__module__.removeprefix(PACKAGE).partition('.')[0]}"


def all_cases() -> list[Case]:
    """Every case of every test module that a dialect of the package must have."""
    modules = dict.fromkeys(module_of(view) for view in package_dialects())
    return [case for module in modules for case in import_module(module).CASES]
