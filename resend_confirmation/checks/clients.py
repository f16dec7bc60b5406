"""Checks of CLIENTS: duplicate ids and hosts, over-long names, signing keys, dialects."""

import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.core import checks
from django.core.checks import CheckMessage, Error, Tags
from django.core.exceptions import ImproperlyConfigured

from .. import clients, conf
from ..clients import Client, Signing
from ..dialects.base import mounted_dialects
from ..models import Delivery
from .registry import ID, bind

#: Bytes of an HMAC key (section 3.2) and bits of an RSA key (section 3.3), at least.
HMAC_BYTES = 32
RSA_BITS = 2048


def listed() -> Sequence[Client]:
    """Return the clients that are listed in the settings themselves."""
    return clients.registry().clients if isinstance(conf.get().CLIENTS, list | tuple) else ()


def called(databases: Any) -> Sequence[Client]:
    """Return the clients of a callable; none while its table cannot be queried."""
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
    """Return errors in the clients of the settings, including duplicates between them."""
    return _problems(listed())


@bind(deploy=True)
def check_keys(**_: Any) -> list[CheckMessage]:
    """Return a warning for each signing key that could be found by brute force."""
    return [message for client in listed() for message in _weak_key(client)]


@bind(deploy=True)
def check_lacks(**_: Any) -> list[CheckMessage]:
    """Return what dialects require and the clients of the settings lack."""
    return _lacks(listed())


@bind()
def check_callers(**_: Any) -> list[CheckMessage]:
    """Return a warning for each mounted dialect that no client of the settings can call."""
    return _shut(listed())


@bind(Tags.database)
def check_clients_of_a_callable(databases: Any = None, **_: Any) -> list[CheckMessage]:
    """Run ``check_clients`` for clients of a callable, which may query the database."""
    conf.get()  # An error in the dict itself is reported as E002.
    try:
        return _problems(called(databases))
    except ImproperlyConfigured as error:
        return [Error(str(error), id=f"{ID}.E005")]


@bind(Tags.database, deploy=True)
def check_keys_of_a_callable(databases: Any = None, **_: Any) -> list[CheckMessage]:
    """Run ``check_keys`` for clients of a callable."""
    return [message for client in called(databases) for message in _weak_key(client)]


@bind(Tags.database, deploy=True)
def check_lacks_of_a_callable(databases: Any = None, **_: Any) -> list[CheckMessage]:
    """Run ``check_lacks`` for clients of a callable."""
    return _lacks(called(databases))


@bind(Tags.database)
def check_callers_of_a_callable(databases: Any = None, **_: Any) -> list[CheckMessage]:
    """Run ``check_callers`` for clients of a callable."""
    return _shut(called(databases))


def _lacks(known: Iterable[Client]) -> list[CheckMessage]:
    mounted = mounted_dialects()
    return [
        message
        for client in known
        for dialect in client.ids
        if (view := mounted.get(dialect))
        for message in view.check(client)
    ]


def _shut(known: Sequence[Client]) -> list[CheckMessage]:
    """Return the warnings; none without clients (E004, or an empty table)."""
    mounted = mounted_dialects() if known else {}
    shut = (name for name, view in mounted.items() if not any(map(view.admits, known)))
    return [
        checks.Warning(
            f"{dialect}: no client can call this dialect, so every request is refused",
            hint=f'Give a client an id for it: "ids": {{{dialect!r}: …}}; or mount only the '
            "dialects that your clients use.",
            id=f"{ID}.W033",
        )
        for dialect in sorted(shut)
    ]


def _problems(known: Iterable[Client]) -> list[CheckMessage]:
    each = [message for client in known for message in _problems_of(client)]
    return [*_shared(known), *each]


def _shared(known: Iterable[Client]) -> Iterator[CheckMessage]:
    ids = Counter((dialect, str(id_)) for c in known for dialect, id_ in c.ids.items())
    for (dialect, id_), count in ids.items():
        if count > 1:
            text = (
                f"CLIENTS: {count} clients have the id {id_!r} for {dialect!r}; the last one wins"
            )
            yield Error(text, id=f"{ID}.E010")
    hosts = Counter(host for client in known for host in {name.lower() for name in client.hosts})
    for host, count in hosts.items():
        if count > 1:
            text = f"CLIENTS: {count} clients have the host {host!r}; the last one wins"
            yield Error(text, id=f"{ID}.E011")
    marked = [repr(client.name) for client in known if client.default]
    if len(marked) > 1:
        text = f"CLIENTS: {', '.join(marked)} are marked 'default'; the first wins"
        yield Error(text, hint="Mark only one of them.", id=f"{ID}.E024")


def _problems_of(client: Client) -> Iterator[CheckMessage]:
    yield from _too_long("name", client.name, "client")
    for redirect in client.redirects:
        yield from _too_long(f"id of a redirect of the client {client.name!r}", redirect.id)
    if client.signing is not None:
        yield from _signing(client.name, client.signing)


def _too_long(what: str, value: str, column: str = "redirect") -> Iterator[CheckMessage]:
    room = getattr(Delivery._meta.get_field(column), "max_length", None)
    if room is not None and len(value) > room:
        text = f"CLIENTS: the {what} is too long for its column: {value[:20]!r}…"
        hint = f"The limit is {room} characters."
        yield Error(text, hint=hint, id=f"{ID}.E012")


def _signing(name: str, signing: Signing) -> Iterator[CheckMessage]:
    try:
        _try_key(signing)
    except Exception:
        # The text of the error may quote the key.
        yield Error(
            f"CLIENTS: the signing key of {name!r} is not usable with {signing.algorithm}",
            hint="HS256 takes a secret; RS256 takes a private key in PEM, and the extra [rsa].",
            id=f"{ID}.E014",
        )


def _try_key(signing: Signing) -> Any:
    """Return the key after signing a token and verifying it.

    Reading the key is not enough: some versions of PyJWT read keys of another algorithm.
    """
    # Its import takes long, and most sites sign nothing.
    import jwt  # noqa: PLC0415

    key = jwt.get_algorithm_by_name(signing.algorithm).prepare_key(signing.key)
    public = key if isinstance(key, bytes) else key.public_key()
    with warnings.catch_warnings():
        # W010 is about short keys.
        warnings.simplefilter("ignore")
        token = jwt.encode({}, signing.key, algorithm=signing.algorithm)
        jwt.decode(token, public, algorithms=[signing.algorithm])
    return key


def _weak_key(client: Client) -> Iterator[CheckMessage]:
    """Yield a warning if the client's signing key could be found by brute force."""
    if (signing := client.signing) is None:
        return
    try:
        key = _try_key(signing)
    except Exception:
        return  # Reported as E014.
    if isinstance(key, bytes):
        wanted = f"{HMAC_BYTES} bytes of randomness" if len(key) < HMAC_BYTES else ""
    else:
        wanted = f"an RSA key of {RSA_BITS} bits" if key.key_size < RSA_BITS else ""
    if wanted:
        text = f"CLIENTS: the signing key of {client.name!r} is too short"
        hint = f"{signing.algorithm} takes at least {wanted} (RFC 7518, section 3)."
        yield checks.Warning(text, hint=hint, id=f"{ID}.W010")
