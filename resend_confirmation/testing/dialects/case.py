"""Cases for the contract: requests to a dialect and its literal responses."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.utils.datastructures import CaseInsensitiveMapping
from rest_framework import serializers

from ...dialects.base import QUIET, AddressField, ResendView
from ...outcomes import CONCEALED, Ending, Outcome

ADDRESS = "pending@example.com"

#: Headers that a host's middlewares and the base set on every response.
COMMON = (
    "Cache-Control",
    "Content-Length",
    "Content-Security-Policy",
    "Cross-Origin-Opener-Policy",
    "Referrer-Policy",
    "X-Content-Type-Options",
    "X-Frame-Options",
)


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request as it is on the wire: path and query are still percent-encoded."""

    path: str | bytes
    query: str = ""
    body: bytes = b""
    content_type: str = "application/json"
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)

    def slashed(self) -> "Request":
        """Return the request with another slash at the end of its path."""
        path = self.path + "/" if isinstance(self.path, str) else self.path + b"/"
        return replace(self, path=path)


@dataclass(frozen=True)
class Reply:
    """An actual or expected response, with case-insensitive headers."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the headers case-insensitive."""
        object.__setattr__(self, "headers", CaseInsensitiveMapping(self.headers))


def expected(
    status: int,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    media_type: str = "application/json",
) -> Reply:
    """Return the expected reply, with a content type if it has a body."""
    form = {"Content-Type": media_type} if body else {}
    return Reply(status, body, form | dict(headers or {}))


def relevant_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that may differ between responses."""
    common = {name.lower() for name in COMMON}
    return {name: value for name, value in headers.items() if name.lower() not in common}


def to_reply(response: Any) -> Reply:
    """Return the actual reply, without the headers that every response has."""
    headers = relevant_headers(dict(response.items()))
    if response.cookies:
        # Django keeps cookies separate from the headers until a server writes the response.
        headers["Set-Cookie"] = response.cookies.output(header="").strip()
    return Reply(response.status_code, response.content, headers)


#: The expected replies of a dialect, one for every ending.
Answers = Mapping[Ending, Reply]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A dialect at one URL: its requests and the expected replies.

    ``request_for(identity, client)`` returns a good request. ``client`` is the name of a client:
    ``game`` (the default), ``kiosk`` (with confirmation switched off) or ``arcade`` (with several
    redirects). None stands for an unknown client. If callers can name a redirect, the contract
    uses ``arcade``, and ``request_for`` takes ``redirect`` as well. ``clients`` are the entries
    of ``CLIENTS`` with these names; the default is the clients of the settings.

    ``endings`` are the replies to the contract's requests by ending. ``faults`` are the replies
    to its bad identities and bad bodies by the fault's name. ``field`` is the key of the identity
    in a JSON body; it is empty if the dialect does not read a body. ``names_client`` is true if
    requests name their client.
    """

    name: str
    view: type[ResendView]
    request_for: Callable[..., Request]
    endings: Answers
    faults: Mapping[str, Reply]
    field: str = ""
    names_client: bool = False
    clients: Sequence[Mapping[str, Any]] = ()

    def __str__(self) -> str:
        return self.name

    @property
    def is_in_path(self) -> bool:
        """True if the identity is a part of the path."""
        return _names_identity(self.view.path_class)

    @property
    def takes_names(self) -> bool:
        """True if the identity may be a user name."""
        view = self.view
        forms = (view.path_class, view.header_class, view.query_class, view.body_class)
        fields = [field for form in forms if form for field in form().fields.values()]
        return any(f.source == "identity" and not isinstance(f, AddressField) for f in fields)

    @property
    def is_quiet(self) -> bool:
        """True if the table itself conceals all states of accounts."""
        return all(self.view.answers[ending] is QUIET for ending in CONCEALED)

    @property
    def is_candid(self) -> bool:
        """True if no row of the table is quiet."""
        return QUIET not in self.view.answers.values()

    @property
    def hides_unknown(self) -> bool:
        """True if UNKNOWN is quiet in a table that is not quiet as a whole."""
        return self.view.answers[Outcome.UNKNOWN] is QUIET and not self.is_quiet


def _names_identity(inputs: type[serializers.Serializer[Any]] | None) -> bool:
    return inputs is not None and "identity" in {f.source for f in inputs().fields.values()}


def link_of(message: Any) -> str:
    """Return the link in a message, without the site."""
    site = "https://site.example"
    links = [word for word in str(message.body).split() if word.startswith(f"{site}/confirm/")]
    assert len(links) == 1
    return links[0].removeprefix(site)


def token_of(message: Any) -> str:
    """Return the token in the link of a message."""
    return link_of(message).partition("?token=")[2]
