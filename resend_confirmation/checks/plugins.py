"""Checks that come with what the settings name: the carrier, the issuer of codes."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.core.checks import CheckMessage, Tags
from django.utils.module_loading import import_string

from .. import conf
from ..clients import Client
from ..deliveries.wake import carrier
from .clients import called, listed
from .registry import bind


@bind(deploy=True)
def check_carrier(**_: Any) -> Sequence[CheckMessage]:
    """Return what the carrier's own ``check`` reports, if it has one."""
    try:
        check = getattr(carrier(conf.get().CARRIER), "check", None)
    except Exception:
        return []  # Reported as E007.
    found: Sequence[CheckMessage] = check() if check else []
    return found


@bind()
def check_issuer(**_: Any) -> list[CheckMessage]:
    """Return what the ``check`` of the issuer of authorization codes reports, if it has one."""
    return _issuer_says("check", listed())


@bind(Tags.database)
def check_issuer_rows(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Return what it reports about its rows, and about clients of a callable."""
    if not databases:
        return []
    found = called(databases)
    return [*_issuer_says("check", found), *_issuer_says("check_rows", [*listed(), *found])]


def code_issuer() -> Any:
    """Return what AUTHORIZATION_CODE_ISSUER names; None if it is unset or cannot be imported."""
    try:
        path = conf.get().AUTHORIZATION_CODE_ISSUER
        return import_string(path) if path else None
    except Exception:
        return None  # Reported by other checks.


def _issuer_says(name: str, known: Iterable[Client]) -> list[CheckMessage]:
    check = getattr(code_issuer(), name, None)
    return [message for client in known for message in check(client)] if check else []
