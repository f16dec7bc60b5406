"""From an identity to accounts: the store's candidates, compared exactly in Python."""

from collections.abc import Sequence

from .. import addresses, failures
from ..accounts import Account, store
from ..addresses import Address
from ..outcomes import Outcome, Reason, Standing


@failures.discreet
def find(identity: Address | str) -> list[Account]:
    """Find the accounts that ``identity`` names, in one statement; it never raises ValueError.

    Databases differ in which letters they take for equal, so that a look-up alone would reach
    neighbours. What reads as an address names accounts by their address alone: with a user name
    to fall back to, a message would tell whether an account has the address.
    """
    identity = addresses.read(identity) if isinstance(identity, str) else identity
    candidates = store().find(identity)
    if isinstance(identity, Address):
        return [a for a in candidates if a.parsed == identity]
    return [a for a in candidates if addresses.canonical_identity(a.username) == identity]


def names(identity: str, account: Account) -> bool:
    """Return whether ``identity`` names ``account``: by its address, or else by its user name."""
    if (address := Address.parse(identity, account.parsed)) is not None:
        return address == account.parsed
    return addresses.canonical_identity(identity) == addresses.canonical_identity(account.username)


def pending(accounts: Sequence[Account]) -> list[Account]:
    """Return those that wait and have an address to write to, the newest first."""
    waiting = [a for a in accounts if a.standing is Standing.PENDING and a.parsed]
    # Stores hand out the oldest account first; their keys need not say which that is.
    waiting.reverse()
    return sorted(waiting, key=lambda a: -(a.confirmation_id or 0))


def key(identity: Address | str, accounts: Sequence[Account]) -> str:
    """Return the key of the cooldown of ``identity``: its account's address, else what it says."""
    named = (accounts[0].parsed if accounts else None) or identity
    return named.canonical if isinstance(named, Address) else named


def outcome_without_pending(accounts: Sequence[Account]) -> Outcome:
    """What to say when none of ``accounts`` waits."""
    standings = {account.standing for account in accounts}
    if Standing.CONFIRMED in standings:
        return Outcome.CONFIRMED
    return Outcome.BLOCKED if Standing.BLOCKED in standings else Outcome.UNKNOWN


REASONS: dict[Outcome, Reason] = {
    Outcome.UNKNOWN: Reason.UNKNOWN,
    Outcome.CONFIRMED: Reason.CONFIRMED,
    Outcome.BLOCKED: Reason.BLOCKED,
    Outcome.COOLING_DOWN: Reason.COOLING_DOWN,
}
