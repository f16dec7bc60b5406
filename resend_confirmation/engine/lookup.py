"""Look-up of accounts by identity: the store's candidates, compared exactly in Python."""

from collections.abc import Sequence

from .. import addresses
from ..accounts import Account, store
from ..addresses import Address
from ..outcomes import Outcome, Reason, Standing


def find(identity: Address | str) -> list[Account]:
    """Find the accounts that ``identity`` names, in one statement; never raise ValueError.

    Databases differ in the letters that they treat as equal, so a look-up alone could return other
    accounts. An identity that is an address matches addresses only. With user names as a fallback,
    a message would reveal that no account has the address.
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
    """Return the pending accounts that have a valid address, the newest first."""
    waiting = [a for a in accounts if a.standing is Standing.PENDING and a.parsed]
    # Stores return the oldest account first. The primary keys may not be in that order.
    waiting.reverse()
    return sorted(waiting, key=lambda a: -(a.confirmation_id or 0))


def key(identity: Address | str, accounts: Sequence[Account]) -> str:
    """Return the cooldown key: the account's canonical address, else the normalised identity."""
    named = (accounts[0].parsed if accounts else None) or identity
    return named.canonical if isinstance(named, Address) else named


def outcome_without_pending(accounts: Sequence[Account]) -> Outcome:
    """Return the outcome for ``accounts`` of which none is pending."""
    standings = {account.standing for account in accounts}
    if Standing.CONFIRMED in standings:
        return Outcome.CONFIRMED
    return Outcome.BLOCKED if Standing.BLOCKED in standings else Outcome.UNKNOWN


OUTCOME_REASONS: dict[Outcome, Reason] = {
    Outcome.UNKNOWN: Reason.UNKNOWN,
    Outcome.CONFIRMED: Reason.CONFIRMED,
    Outcome.BLOCKED: Reason.BLOCKED,
    Outcome.COOLING_DOWN: Reason.COOLING_DOWN,
}
