"""The interface of account stores; ``accounts`` has those over Django's user model."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from .addresses import Address

if TYPE_CHECKING:
    from .accounts import Account


class CooldownFacts(NamedTuple):
    """A cooldown's row as of when the account was read; a hint that may be outdated."""

    last_at: datetime
    hour_from: datetime
    hour_count: int
    day_from: datetime
    day_count: int


class AccountStore(Protocol):
    """Interface for finding and marking accounts; ``ACCOUNTS`` names the class."""

    def find(self, identity: Address | str) -> "Sequence[Account]":
        """Return candidates for an address or a user name; may be inexact."""

    def get(self, user_id: Any, address: Address) -> "Account | None":
        """Return the account as it is now, or None if it is gone or has another address."""

    def lock(self, user_id: Any) -> None:
        """Lock the rows that ``get`` reads, until the transaction around it ends."""

    def confirm(self, account: "Account") -> bool:
        """Mark the account inside our transaction; return False if it may not be marked."""

    def pending(self) -> "Iterator[Account]":
        """Yield every account that waits for a confirmation, for bulk resends."""
