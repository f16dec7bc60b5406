"""Clients: the calling applications, their keys at each dialect and their registered redirects."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured
from django.utils.crypto import constant_time_compare
from django.utils.module_loading import import_string

from . import conf
from .outcomes import Refusal


@dataclass(frozen=True, slots=True)
class Redirect:
    """One registered address to land on; a delivery remembers its ``id``, never the URL."""

    id: str
    url: str


@dataclass(frozen=True, slots=True)
class Signing:
    """How a client's user tokens are signed (RFC 7515): one fixed algorithm."""

    key: str = field(repr=False)
    algorithm: str = "HS256"
    key_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One calling application.

    ``ids`` maps a dialect's name to the client's id there, ``keys`` to the keys that must come
    with it. ``pages`` maps ``confirm`` (where links lead), ``confirmed``, ``expired`` and
    ``failed`` to addresses of the client's own. ``base_url`` stands in for BASE_URL.
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
    signing: Signing | None = None


PAGES = frozenset({"confirm", "confirmed", "expired", "failed"})

_KEYS = frozenset(Client.__dataclass_fields__)

#: How user tokens may be signed; nothing that a token says chooses among them.
ALGORITHMS = ("HS256", "RS256")

#: A scheme and no character that a browser would drop or read as another (RFC 3986, WHATWG URL).
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):[!-\[\]-~]+")
#: Schemes that run or show what the URL itself carries, or read the visitor's disk.
_FORBIDDEN = frozenset(
    {"about", "blob", "data", "file", "filesystem", "javascript", "vbscript", "view-source"}
)


class UnusableURLError(ValueError):
    """A redirect or page that no browser may be sent to."""


def problem_of(raw: object) -> Exception | None:
    """What is wrong with one entry of ``CLIENTS``, or None; UnusableURLError for its URLs."""
    try:
        _read(raw)
    except (TypeError, ValueError) as error:
        return error
    return None


def title(raw: object, number: int) -> str:
    """How to speak of an entry of ``CLIENTS``: by its name, or as the ``number``-th of the list."""
    name = raw.get("name") if isinstance(raw, Mapping) else getattr(raw, "name", None)
    return f"client {name!r}" if name and isinstance(name, str) else f"client number {number}"


def _read(raw: object) -> Client:
    client = raw if isinstance(raw, Client) else _from_dict(raw)
    if client.signing and client.signing.algorithm not in ALGORITHMS:
        raise ValueError("the 'algorithm' of 'signing' is 'HS256' or 'RS256'")
    for url in (*(redirect.url for redirect in client.redirects), *client.pages.values()):
        _check_url(url)
    try:
        return replace(client, base_url=conf.base_url(client.base_url))
    except conf.WrongValueError as error:
        raise UnusableURLError(f"'base_url' {error}") from None


def _check_url(url: object) -> None:
    if not isinstance(url, str) or not (found := _URL.fullmatch(url)):
        raise UnusableURLError(
            f"{url!r} is no absolute URL of visible ASCII characters without a backslash"
        )
    scheme = found[1].lower()
    if scheme in _FORBIDDEN:
        raise UnusableURLError(f"{url!r} has the scheme {scheme!r}, to which nobody may be sent")
    try:
        has_host = bool(urlsplit(url).hostname)
    except ValueError:
        has_host = False
    if scheme in {"http", "https"} and not has_host:
        raise UnusableURLError(f"{url!r} has no host")


def _from_dict(raw: object) -> Client:
    if not isinstance(raw, Mapping):
        raise TypeError("it must be a dict")
    _refuse_unknown(raw, _KEYS, "there is")
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
        signing=_signing(raw.get("signing")),
    )


def _refuse_unknown(raw: Mapping[Any, Any], known: Collection[str], who: str) -> None:
    """Raise ValueError for a key that there is not: it names the nearest, or all there are."""
    for key in raw:
        if key not in known:
            near = get_close_matches(str(key).lower(), known, n=1)
            all_ = ", ".join(repr(name) for name in sorted(known))
            meant = f"; did you mean {near[0]!r}?" if near else f", only {all_}"
            raise ValueError(f"{who} no key {key!r}{meant}")


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
    """A list of URLs, whose ids are their places in it, or a dict of id to URL."""
    if isinstance(value, Mapping):
        return [Redirect(str(id_), url) for id_, url in value.items()]
    urls = _strings(value, "redirects", "a list of URLs, or a dict of id to URL")
    return [Redirect(str(place), url) for place, url in enumerate(urls)]


def _pages(value: Mapping[str, Any]) -> Mapping[str, str]:
    _refuse_unknown(value, PAGES, "'pages' has")
    return value


def _signing(value: object) -> Signing | None:
    if value is None:
        return None
    # No bare secret: Django's error reports hide what is named 'key', and would show that.
    if not isinstance(value, Mapping) or "key" not in value:
        raise TypeError("'signing' takes a dict with 'key', 'algorithm', 'key_id'")
    _refuse_unknown(value, Signing.__dataclass_fields__, "'signing' has")
    return Signing(**value)


@dataclass(frozen=True, slots=True)
class Registry:
    """The clients in force, indexed."""

    clients: Sequence[Client]
    by_id: Mapping[tuple[str, str], Client]
    by_host: Mapping[str, Client]
    by_name: Mapping[str, Client]
    default: Client | None


_last: tuple[object, Registry] | None = None


def registry() -> Registry:
    """The clients of the settings, or of the callable named there, indexed once per list.

    Raises ImproperlyConfigured when an entry is wrong.
    """
    global _last  # noqa: PLW0603 - a cache of one, replaced whole
    raw: object = conf.get().CLIENTS
    if isinstance(raw, str):
        raw = import_string(raw)
    if callable(raw):
        raw = raw()
    last = _last
    if last is None or last[0] is not raw:
        last = _last = (raw, _index(raw))
    return last[1]


def _index(raw: object) -> Registry:
    if not isinstance(raw, Iterable):
        raise ImproperlyConfigured("CLIENTS takes a list of dicts")
    clients = [_valid(entry, number) for number, entry in enumerate(raw, start=1)]
    marked = [client for client in clients if client.default]
    return Registry(
        clients=clients,
        by_id={(dialect, id_): c for c in clients for dialect, id_ in c.ids.items()},
        by_host={host: client for client in clients for host in client.hosts},
        by_name={client.name: client for client in clients},
        default=next(iter(marked or clients), None),
    )


def _valid(raw: object, number: int) -> Client:
    try:
        return _read(raw)
    except (TypeError, ValueError) as error:
        raise ImproperlyConfigured(f"CLIENTS: {title(raw, number)}: {error}") from None


def default() -> Client | None:
    """The client of requests that name none: the one marked ``default``, else the first."""
    return registry().default


def by_name(name: str) -> Client | None:
    """The client that a stored row names, if it still exists."""
    return registry().by_name.get(name)


def by_host(host: str) -> Client | None:
    """The client that owns a host name (without port), if any."""
    return registry().by_host.get(host.lower())


def by_id(dialect: str, id_: str, key: str | None = None) -> Client | None:
    """The client with that id at a dialect; where ``key`` is given it must be one of its keys."""
    client = registry().by_id.get((dialect, id_))
    if client is None or key is None:
        return client
    keys = client.keys.get(dialect, ())
    return client if any(constant_time_compare(key, known) for known in keys) else None


def find_redirect(client: Client, typed: str | None) -> Redirect | Refusal | None:
    """The registered redirect that ``typed`` names, by exact string equality.

    With nothing typed: the only one, None when the client has none, REDIRECT_REQUIRED when it
    has several. ``typed`` None: the dialect cannot name one, and the first is meant.
    """
    if typed is None:
        return client.redirects[0] if client.redirects else None
    if typed:
        matching = (redirect for redirect in client.redirects if redirect.url == typed)
        return next(matching, Refusal.REDIRECT_NOT_ALLOWED)
    if len(client.redirects) > 1:
        return Refusal.REDIRECT_REQUIRED
    return client.redirects[0] if client.redirects else None


def redirect_by_id(client: Client, id_: str) -> Redirect | None:
    """The registered redirect that a delivery remembers, if it is still registered."""
    return next((redirect for redirect in client.redirects if redirect.id == id_), None)
