"""The actions on one confirmation."""

import enum
from collections.abc import Callable
from datetime import datetime

from .. import engine
from ..accounts import Account
from ..engine.signup import account_of, moved_account_of
from ..limits import suppression
from ..models import Confirmation
from ..outcomes import Outcome, RunAction, Standing


class Done(enum.Enum):
    """Result of an action on one confirmation; the values are placeholders in the messages."""

    YES = "done"
    COOLING_DOWN = "cooling"
    NOT_PENDING = "other"
    SUPPRESSED = "suppressed"


def resend(confirmation: Confirmation) -> Done:
    """Queue the message again, to the account's current address."""
    account = _account_of(confirmation)
    if account is None or account.standing is not Standing.PENDING:
        return Done.NOT_PENDING
    if suppressed_since(confirmation):
        return Done.SUPPRESSED
    is_queued = engine.send_to(account).ending is Outcome.SENT
    return Done.YES if is_queued else Done.COOLING_DOWN


def suppressed_since(confirmation: Confirmation) -> list[datetime]:
    """Return the time of the suppression of the address, in a list; an empty list without one."""
    account = _account_of(confirmation)
    since = suppression.since(account.mailbox) if account else None
    return [since] if since else []


def _account_of(confirmation: Confirmation) -> Account | None:
    return account_of(confirmation) or moved_account_of(confirmation)


def withdraw(confirmation: Confirmation) -> Done:
    """Withdraw the confirmation."""
    return Done.YES if engine.withdraw(confirmation) else Done.NOT_PENDING


def confirm(confirmation: Confirmation) -> Done:
    """Confirm the account without a link."""
    return Done.YES if engine.confirm_by_hand(confirmation) else Done.NOT_PENDING


#: The actions that couriers carry out on large selections.
IN_RUNS: dict[Callable[[Confirmation], Done], RunAction] = {
    resend: RunAction.RESEND,
    withdraw: RunAction.WITHDRAW,
    confirm: RunAction.CONFIRM,
}
