"""Accounts that an identity names, through an ``AccountStore`` that the host may replace."""

from ..account_store import AccountStore, CooldownFacts
from .confirmation_store import (
    Account,
    ConfirmationStore,
    Ours,
    Part,
    defines,
    of,
    rows_of_users,
    store,
)
from .flag_store import FlagStore

__all__ = [
    "Account",
    "AccountStore",
    "ConfirmationStore",
    "CooldownFacts",
    "FlagStore",
    "Ours",
    "Part",
    "defines",
    "of",
    "rows_of_users",
    "store",
]
