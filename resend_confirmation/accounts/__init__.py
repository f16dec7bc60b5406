"""Accounts that an identity names, through an ``AccountStore`` that the host may replace."""

from typing import Any, cast

from django.utils.module_loading import import_string

from .. import conf
from ..addresses import Address
from .interface import Account, AccountStore, CooldownFacts
from .users import ConfirmationStore, FlagStore, Ours, rows_of_users

__all__ = [
    "Account",
    "AccountStore",
    "ConfirmationStore",
    "CooldownFacts",
    "FlagStore",
    "Ours",
    "of",
    "rows_of_users",
    "store",
]


def store() -> AccountStore:
    """Instantiate the store that ``ACCOUNTS`` names."""
    return cast("AccountStore", import_string(conf.get().ACCOUNTS)())


def of(user_id: Any, address: Address | str | None) -> Account | None:
    """Return the account as it is now, if a link to ``address`` proves its address."""
    known = Address.parse(address) if isinstance(address, str) else address
    account = store().get(user_id, known) if known else None
    return account if account and known and known.proves(account.parsed) else None
