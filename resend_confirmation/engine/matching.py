"""From an identity to accounts: the store's candidates, compared exactly in Python."""

from collections.abc import Sequence

from .. import addresses, failures
from ..accounts import Account, store
from ..outcomes import Outcome, Reason, Standing


@failures.discreet
def find(identity: str) -> list[Account]:
    """The accounts that ``identity`` names, in one statement; ValueError never leaves here.

    Databases differ in which letters they take for equal, so that a look-up alone would reach
    neighbours. What reads as an address names accounts by their address alone: with a user name
    to fall back to, a message would tell whether an account has the address.
    """
    identity = addresses.canonical_identity(identity)
    candidates = store().find(identity)
    if addresses.is_address(identity):
        return [a for a in candidates if addresses.same(a.address, identity)]
    return [a for a in candidates if addresses.canonical_identity(a.username) == identity]


def names(identity: str, account: Account) -> bool:
    """Return whether ``identity`` names ``account``: by its address, or else by its user name."""
    if addresses.is_address(identity):
        return addresses.same(identity, account.address)
    return addresses.canonical_identity(identity) == addresses.canonical_identity(account.username)


def pending(accounts: Sequence[Account]) -> list[Account]:
    """Return those that wait and have an address to write to, the newest first."""
    waiting = [
        a for a in accounts if a.standing is Standing.PENDING and addresses.is_address(a.address)
    ]
    # Stores hand out the oldest account first; their keys need not say which that is.
    waiting.reverse()
    return sorted(waiting, key=lambda a: -(a.confirmation_id or 0))


def key(identity: str, accounts: Sequence[Account]) -> str:
    """What the cooldown of ``identity`` goes by: the address of its account, or what it says."""
    named = accounts[0].address if accounts else ""
    text = named if addresses.is_address(named) else addresses.canonical_identity(identity)
    return addresses.canonical(text) if addresses.is_address(text) else text


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
