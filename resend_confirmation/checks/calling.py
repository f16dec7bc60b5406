"""Checks of the clients: whose an id is, what a row has room for, how they sign."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.core import checks
from django.core.checks import CheckMessage, Error, Tags
from django.core.exceptions import ImproperlyConfigured

from .. import clients, conf
from ..clients import Client
from ..dialects.base import DialectView
from ..models import Delivery
from . import signing
from .binding import ID, bind
from .mounting import callbacks, dialects


def listed() -> Sequence[Client]:
    """The clients that stand in the settings themselves."""
    return clients.registry().clients if isinstance(conf.get().CLIENTS, list | tuple) else ()


def called(databases: Any) -> Sequence[Client]:
    """The clients of a callable, which may be in a table; none while that cannot be asked."""
    if not databases or isinstance(conf.get().CLIENTS, list | tuple):
        return ()
    try:
        return clients.registry().clients
    except ImproperlyConfigured:
        raise
    except Exception:
        return ()  # The table may not exist yet.


@bind()
def check_clients(**_: Any) -> list[CheckMessage]:
    """What is wrong with the clients of the settings, each and together."""
    return _problems(listed())


@bind(deploy=True)
def check_keys(**_: Any) -> list[CheckMessage]:
    """Keys that could be found by trying."""
    return [message for client in listed() for message in signing.weak_key_of(client)]


@bind(deploy=True)
def check_lacks(**_: Any) -> list[CheckMessage]:
    """Return what dialects miss in the clients of the settings that have an id there."""
    return _lacks(listed())


@bind()
def check_callers(**_: Any) -> list[CheckMessage]:
    """Return a warning for each mounted dialect that no client of the settings can call."""
    return _shut(listed())


@bind(Tags.database)
def check_clients_of_a_callable(databases: Any = None, **_: Any) -> list[CheckMessage]:
    """The same for clients of a callable, where the database may be asked at all."""
    conf.get()  # What is wrong with the dict itself is E002's.
    try:
        return _problems(called(databases))
    except ImproperlyConfigured as error:
        return [Error(str(error), id=f"{ID}.E005")]


@bind(Tags.database, deploy=True)
def check_keys_of_a_callable(databases: Any = None, **_: Any) -> list[CheckMessage]:
    """The same for their keys."""
    return [message for client in called(databases) for message in signing.weak_key_of(client)]


@bind(Tags.database, deploy=True)
def check_lacks_of_a_callable(databases: Any = None, **_: Any) -> list[CheckMessage]:
    """The same for what dialects miss in them."""
    return _lacks(called(databases))


@bind(Tags.database)
def check_callers_of_a_callable(databases: Any = None, **_: Any) -> list[CheckMessage]:
    """The same for dialects that none of them can call."""
    return _shut(called(databases))


def _lacks(known: Iterable[Client]) -> list[CheckMessage]:
    # Dialects are known once the URLs that import them were loaded; checks run in no order.
    list(callbacks())
    return [
        message
        for client in known
        for dialect in client.ids
        if (view := DialectView.by_name.get(dialect))
        for message in view.check(client)
    ]


def _shut(known: Sequence[Client]) -> list[CheckMessage]:
    """Without any client E004 says so, or a table is not filled yet."""
    views = dialects() if known else []
    open_ = {view.dialect for view in views if any(map(view.admits, known))}
    return [
        checks.Warning(
            f"{dialect}: no client can call this dialect, so every request is refused",
            hint=f'Give a client its id there: "ids": {{{dialect!r}: …}}; or mount only the '
            "dialects that your clients speak.",
            id=f"{ID}.W033",
        )
        for dialect in sorted({view.dialect for view in views} - open_)
    ]


def _problems(known: Iterable[Client]) -> list[CheckMessage]:
    each = [message for client in known for message in _problems_of(client)]
    return [*_shared(known), *each]


def _shared(known: Iterable[Client]) -> Iterator[CheckMessage]:
    ids = Counter((dialect, str(id_)) for c in known for dialect, id_ in c.ids.items())
    for (dialect, id_), count in ids.items():
        if count > 1:
            text = f"CLIENTS: {count} clients have the id {id_!r} at {dialect!r}; the last one wins"
            yield Error(text, id=f"{ID}.E010")
    hosts = Counter(host for client in known for host in {name.lower() for name in client.hosts})
    for host, count in hosts.items():
        if count > 1:
            text = f"CLIENTS: {count} clients have the host {host!r}; the last one wins"
            yield Error(text, id=f"{ID}.E011")
    marked = [repr(client.name) for client in known if client.default]
    if len(marked) > 1:
        text = f"CLIENTS: {', '.join(marked)} are marked 'default'; the first wins"
        yield Error(text, hint="Leave the mark with one of them.", id=f"{ID}.E024")


def _problems_of(client: Client) -> Iterator[CheckMessage]:
    yield from _too_long("name", client.name, "client")
    for redirect in client.redirects:
        yield from _too_long(f"id of a redirect of the client {client.name!r}", redirect.id)
    if client.signing is not None:
        yield from signing.problems_of(client.name, client.signing)


def _too_long(what: str, value: str, column: str = "redirect") -> Iterator[CheckMessage]:
    room = getattr(Delivery._meta.get_field(column), "max_length", None)
    if room is not None and len(value) > room:
        text = f"CLIENTS: the {what} is longer than a row has room for: {value[:20]!r}…"
        hint = f"It may have {room} characters."
        yield Error(text, hint=hint, id=f"{ID}.E012")
