"""Entries of ``CLIENTS``: what a client is, and how it is read and validated."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from difflib import get_close_matches
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

from ..conf import WrongValueError, values
from . import looks


class Redirect(NamedTuple):
    """One registered address to land on; a delivery stores its ``id``, never the URL."""

    id: str
    url: str


@dataclass(frozen=True, slots=True)
class Signing:
    """Key and algorithm for a client's user tokens (RFC 7515).

    ``issuer`` None means the issuer that the vendor uses.
    """

    key: str = field(repr=False)
    algorithm: str = "HS256"
    key_id: str | None = None
    issuer: str | None = None
    lifetime: timedelta = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One calling application.

    ``ids`` maps a dialect's name to the client's id there, ``keys`` to the keys that must come
    with it. ``pages`` maps ``confirm`` (where links lead), ``confirmed``, ``expired`` and
    ``failed`` to the client's addresses. ``base_url`` replaces BASE_URL, and so do ``title``,
    ``from_email`` and ``reply_to`` with the settings for them. ``support_url``, ``logo`` and
    ``accent``, a colour, are for its messages and pages.
    ``required`` False means that confirmations are switched off for it.
    """

    name: str
    default: bool = False
    required: bool = True
    ids: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, Sequence[str]] = field(default_factory=dict, repr=False)
    hosts: Sequence[str] = ()
    redirects: Sequence[Redirect] = ()
    pages: Mapping[str, str] = field(default_factory=dict)
    base_url: str = ""
    title: str = ""
    from_email: str = ""
    reply_to: str = ""
    support_url: str = ""
    logo: str = ""
    accent: str = ""
    signing: Signing | None = None


PAGES = frozenset({"confirm", "confirmed", "expired", "failed"})

_KEYS = frozenset(Client.__dataclass_fields__)

#: Algorithms for user tokens. A token does not choose among them.
ALGORITHMS = ("HS256", "RS256")

#: A scheme and no character that a browser would drop or read as another (RFC 3986, WHATWG URL).
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):[!-\[\]-~]+")
#: Schemes that run or show what the URL itself carries, or read the visitor's disk.
_FORBIDDEN = frozenset(
    {"about", "blob", "data", "file", "filesystem", "javascript", "vbscript", "view-source"}
)


class UnusableURLError(ValueError):
    """A redirect, page or base URL that cannot be used."""


def problem_of(raw: object) -> Exception | None:
    """Return what is wrong with an entry of ``CLIENTS``, or None; UnusableURLError for its URLs."""
    try:
        read(raw)
    except (TypeError, ValueError) as error:
        return error
    return None


def title(raw: object, number: int) -> str:
    """Return the name of an entry of ``CLIENTS`` for messages, or its place in the list."""
    name = raw.get("name") if isinstance(raw, Mapping) else getattr(raw, "name", None)
    return f"client {name!r}" if name and isinstance(name, str) else f"client number {number}"


def read(raw: object) -> Client:
    """Return the client of an entry; raise TypeError or ValueError if it is wrong."""
    client = raw if isinstance(raw, Client) else _from_dict(raw)
    if client.signing and client.signing.algorithm not in ALGORITHMS:
        raise ValueError("the 'algorithm' of 'signing' is 'HS256' or 'RS256'")
    for url in (*(redirect.url for redirect in client.redirects), *client.pages.values()):
        _check_url(url)
    try:
        base_url = values.base_url(client.base_url)
    except WrongValueError as error:
        raise UnusableURLError(f"'base_url' {error}") from None
    return replace(client, base_url=base_url, signing=_checked(client.signing), **_looks(client))


def _looks(client: Client) -> dict[str, Any]:
    """Return the keys about messages and pages, as they are read."""
    read: dict[str, Any] = {}
    for name, (reader, is_url) in looks.READERS.items():
        try:
            read[name] = reader(getattr(client, name))
        except WrongValueError as error:
            kind = UnusableURLError if is_url else ValueError
            raise kind(f"{name!r} {error}") from None
    return read


def _check_url(url: object) -> None:
    if not isinstance(url, str) or not (found := _URL.fullmatch(url)):
        raise UnusableURLError(
            f"{url!r} must be an absolute URL in printable ASCII, without backslashes"
        )
    scheme = found[1].lower()
    if scheme in _FORBIDDEN:
        raise UnusableURLError(f"{url!r}: the scheme {scheme!r} is not allowed")
    try:
        has_host = bool(urlsplit(url).hostname)
    except ValueError:
        has_host = False
    if scheme in {"http", "https"} and not has_host:
        raise UnusableURLError(f"{url!r} has no host")


def _from_dict(raw: object) -> Client:
    if not isinstance(raw, Mapping):
        raise TypeError("it must be a dict")
    _refuse_unknown(raw, _KEYS)
    name = raw.get("name")
    if not isinstance(name, str) or not name:
        raise ValueError("it needs a 'name'")
    return Client(
        name=name,
        default=_bool(raw, "default", False),
        required=_bool(raw, "required", True),
        ids={k: _id(v) for k, v in _mapping(raw, "ids").items()},
        keys={k: _strings(v, "keys") for k, v in _mapping(raw, "keys").items()},
        hosts=[host.lower() for host in _strings(raw.get("hosts", ()), "hosts")],
        redirects=_redirects(raw.get("redirects", ())),
        pages=_pages(_mapping(raw, "pages")),
        base_url=raw.get("base_url", ""),
        **{name: raw[name] for name in looks.READERS if name in raw},
        signing=_signing(raw.get("signing")),
    )


def _refuse_unknown(raw: Mapping[Any, Any], known: Collection[str], where: str = "") -> None:
    """Raise ValueError for an unknown key, with the most similar known one or all of them."""
    for key in raw:
        if key not in known:
            near = get_close_matches(str(key).lower(), known, n=1)
            all_ = ", ".join(repr(name) for name in sorted(known))
            meant = f"; did you mean {near[0]!r}?" if near else f"; known are {all_}"
            raise ValueError(f"unknown key {key!r}{where}{meant}")


def _id(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | UUID):
        raise TypeError("'ids' takes a dict of dialect to string or whole number")
    return str(value)


def _bool(raw: Mapping[str, Any], key: str, default: bool) -> bool:
    value = raw.get(key, default)
    if not isinstance(value, bool):
        raise TypeError(f"{key!r} takes True or False")
    return value


def _mapping(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = raw.get(key, {})
    if not isinstance(value, Mapping):
        raise TypeError(f"{key!r} takes a dict")
    return value


def _strings(value: object, key: str, takes: str = "a list of strings") -> list[str]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise TypeError(f"{key!r} takes {takes}")
    strings = list(value)
    if not all(isinstance(item, str) for item in strings):
        raise TypeError(f"{key!r} takes {takes}")
    return strings


def _redirects(value: object) -> list[Redirect]:
    """Read a list of URLs, which have their places in it as ids, or a dict of id to URL."""
    if isinstance(value, Mapping):
        return [Redirect(str(id_), url) for id_, url in value.items()]
    urls = _strings(value, "redirects", "a list of URLs, or a dict of id to URL")
    return [Redirect(str(place), url) for place, url in enumerate(urls)]


def _pages(value: Mapping[str, Any]) -> Mapping[str, str]:
    _refuse_unknown(value, PAGES, " in 'pages'")
    return value


def _signing(value: object) -> Signing | None:
    if value is None:
        return None
    # A bare secret is refused, since Django's error reports hide only values named 'key'.
    if not isinstance(value, Mapping) or "key" not in value:
        known = ", ".join(map(repr, Signing.__dataclass_fields__))
        raise TypeError(f"'signing' takes a dict with {known}")
    _refuse_unknown(value, Signing.__dataclass_fields__, " in 'signing'")
    return Signing(**value)


def _checked(signing: Signing | None) -> Signing | None:
    """Return ``signing`` with its issuer and lifetime read like settings."""
    if signing is None:
        return None
    readers = {"issuer": values.optional_text, "lifetime": values.lasting}
    read: dict[str, Any] = {}
    for name, reader in readers.items():
        try:
            read[name] = reader(getattr(signing, name))
        except WrongValueError as error:
            raise ValueError(f"{name!r} in 'signing' {error}") from None
    return replace(signing, **read)
