"""Checks that the issuer of authorization codes makes of its own, where it has any."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.core.checks import CheckMessage, Tags
from django.utils.module_loading import import_string

from .. import conf
from ..clients import Client
from .binding import bind
from .calling import called, listed
from .mounting import callbacks


@bind()
def check_issuer(**_: Any) -> list[CheckMessage]:
    """What the issuer of authorization codes finds wrong, where it has a method ``check``."""
    return _issuer_says("check", listed())


@bind(Tags.database)
def check_issuer_rows(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """The same for what it keeps in the database, and for clients that may be kept there."""
    if not databases:
        return []
    found = called(databases)
    return [*_issuer_says("check", found), *_issuer_says("check_rows", [*listed(), *found])]


def issuer() -> Any:
    """What AUTHORIZATION_CODE names; None where it names nothing, or nothing that there is."""
    try:
        path = conf.get().AUTHORIZATION_CODE
        return import_string(path) if path else None
    except Exception:
        return None  # Other checks say so.


def _issuer_says(name: str, known: Iterable[Client]) -> list[CheckMessage]:
    # Dialects are known once the URLs that import them were loaded.
    list(callbacks())
    check = getattr(issuer(), name, None)
    return [message for client in known for message in check(client)] if check else []
