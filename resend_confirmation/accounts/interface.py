"""What account stores return, and what they implement."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from ..addresses import Address
from ..outcomes import Standing


@dataclass(frozen=True, slots=True)
class CooldownFacts:
    """A cooldown's row as of when the account was read; a hint that may be outdated."""

    last_at: datetime
    hour_from: datetime
    hour_count: int
    day_from: datetime
    day_count: int


@dataclass(frozen=True, slots=True)
class Account:
    """One account with one of its addresses.

    ``user`` is an instance of the host's user model. ``confirmation_id`` and ``cooldown`` come
    from the same query. None means that the store found no row or did not look for one, and costs
    another statement. ``former_id`` is the confirmation of a former address, if the account is
    pending because of it and this address has none. ``parsed`` is the parsed ``address``, or None
    if it is not an address. A store may leave it out.
    """

    user: Any = field(repr=False)
    address: str = field(repr=False)
    username: str = field(repr=False)
    standing: Standing
    confirmation_id: int | None = None
    cooldown: CooldownFacts | None = None
    former_id: int | None = None
    parsed: Address | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.parsed is None:
            object.__setattr__(self, "parsed", Address.parse(self.address))

    @property
    def mailbox(self) -> Address:
        """The parsed address; raises ValueError if ``address`` is not one."""
        if self.parsed is None:
            raise ValueError("not an address")
        return self.parsed


class AccountStore(Protocol):
    """Interface for finding and marking accounts; ``ACCOUNTS`` names the class."""

    def find(self, identity: Address | str) -> Sequence[Account]:
        """Return candidates for an address or a user name, in one statement; may be inexact."""

    def get(self, user_id: Any, address: Address) -> Account | None:
        """Return the account as it is now, or None if it is gone or has another address."""

    def lock(self, user_id: Any) -> None:
        """Lock the rows that ``get`` reads, until the transaction around it ends."""

    def confirm(self, account: Account) -> bool:
        """Mark the account inside our transaction; return False if it may not be marked."""

    def pending(self) -> Iterator[Account]:
        """Yield every account that waits for a confirmation, for bulk resends."""
