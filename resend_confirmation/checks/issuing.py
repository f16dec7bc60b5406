"""Checks that the issuer of authorization codes makes of its own, where it has any."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Tags
from django.utils.module_loading import import_string

from .. import clients, conf
from .binding import bind
from .mounting import callbacks


@bind()
def check_issuer(**_: Any) -> list[CheckMessage]:
    """What the issuer of authorization codes finds wrong, where it has a method ``check``."""
    return _issuer_says("check")


@bind(Tags.database)
def check_issuer_rows(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """The same for what it keeps in the database: run by ``migrate`` and ``check --database``."""
    return _issuer_says("check_rows") if databases else []


def _issuer_says(name: str) -> list[CheckMessage]:
    try:
        path = conf.get().AUTHORIZATION_CODE
        known = clients.registry().clients
        check = getattr(import_string(path), name, None) if path else None
    except Exception:
        return []  # Other checks say so.
    # Dialects are known once the URLs that import them were loaded.
    list(callbacks())
    return [message for client in known for message in check(client)] if check else []
