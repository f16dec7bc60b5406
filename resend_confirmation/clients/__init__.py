"""Clients: the calling applications, their keys at each dialect and their registered redirects."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from django.core.exceptions import ImproperlyConfigured
from django.utils.crypto import constant_time_compare
from django.utils.module_loading import import_string
from django.views.decorators.debug import sensitive_variables

from .. import conf
from ..outcomes import Refusal
from . import looks
from .entries import (
    ALGORITHMS,
    PAGES,
    Client,
    Redirect,
    Signing,
    UnusableURLError,
    problem_of,
    read,
    title,
)

__all__ = [
    "ALGORITHMS",
    "PAGES",
    "Client",
    "Redirect",
    "Signing",
    "UnusableURLError",
    "by_host",
    "by_id",
    "by_name",
    "default",
    "find_redirect",
    "looks",
    "problem_of",
    "redirect_by_id",
    "registry",
    "title",
]


class Registry(NamedTuple):
    """The clients in force, indexed."""

    clients: Sequence[Client]
    by_id: Mapping[tuple[str, str], Client]
    by_host: Mapping[str, Client]
    by_name: Mapping[str, Client]
    default: Client | None


_last: tuple[object, Registry] | None = None


@sensitive_variables()
def registry() -> Registry:
    """Return the clients of the settings, or of the callable named there, indexed once per list.

    Raise ImproperlyConfigured when an entry is wrong.
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
        return read(raw)
    except (TypeError, ValueError) as error:
        raise ImproperlyConfigured(f"CLIENTS: {title(raw, number)}: {error}") from None


def default() -> Client | None:
    """Return the client of requests that name none: the one marked ``default``, else the first."""
    return registry().default


def by_name(name: str) -> Client | None:
    """Return the client that a stored row names, or None if it was removed."""
    return registry().by_name.get(name)


def by_host(host: str) -> Client | None:
    """Return the client that owns a host name (without port), if any."""
    return registry().by_host.get(host.lower())


def by_id(dialect: str, id_: str, key: str | None = None) -> Client | None:
    """Return the client with that id at a dialect; ``key``, if given, must be one of its keys."""
    client = registry().by_id.get((dialect, id_))
    if client is None or key is None:
        return client
    keys = client.keys.get(dialect, ())
    return client if any(constant_time_compare(key, known) for known in keys) else None


def find_redirect(client: Client, typed: str | None) -> Redirect | Refusal | None:
    """Return the registered redirect that ``typed`` names, by exact string equality.

    An empty string means the client's only redirect: the result is None if it has none, and
    REDIRECT_REQUIRED if it has several. None means that the dialect has no such parameter: the
    result is the first redirect, if there is one.
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
    """Return the registered redirect with the id in a delivery, if it is still registered."""
    return next((redirect for redirect in client.redirects if redirect.id == id_), None)
