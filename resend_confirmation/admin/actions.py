"""The actions on one confirmation."""

import enum
from collections.abc import Callable
from datetime import datetime

from django.db.models import QuerySet
from django.utils.translation import gettext

from .. import engine
from ..accounts import Account
from ..engine import Reopening
from ..engine.signup import account_of, moved_account_of
from ..limits import suppression
from ..models import Confirmation
from ..outcomes import ConfirmationState, Outcome, RunAction, Standing
from . import long_lists


class Done(enum.Enum):
    """Result of an action on one confirmation; the values are placeholders in the messages."""

    YES = "done"
    COOLING_DOWN = "cooling"
    NOT_PENDING = "other"
    SUPPRESSED = "suppressed"
    DISOWNED = "disowned"
    LASTING = "lasting"
    CHANGED = "changed"


_REOPENED = {
    Reopening.OPENED: Done.YES,
    Reopening.NOT_ENDED: Done.NOT_PENDING,
    Reopening.DISOWNED: Done.DISOWNED,
    Reopening.LASTING: Done.LASTING,
    Reopening.CHANGED: Done.CHANGED,
}


def keys(queryset: QuerySet[Confirmation]) -> list[int]:
    """Return the primary keys of the listed rows.

    "All" of a long list are the rows that the list has, not those that it leaves out.
    """
    return list(queryset.values_list("pk", flat=True)[: long_lists.LISTED])


def resend(confirmation: Confirmation) -> Done:
    """Queue the message again, to the account's current address."""
    account = _account_of(confirmation)
    if account is None or account.standing is not Standing.PENDING:
        return Done.NOT_PENDING
    if suppressed_since(confirmation):
        return Done.SUPPRESSED
    is_queued = engine.send_to(account).ending is Outcome.SENT
    return Done.YES if is_queued else Done.COOLING_DOWN


def may_open(confirmation: Confirmation) -> bool:
    """Return whether staff may open ``confirmation`` again, as far as its row tells."""
    if confirmation.state == ConfirmationState.CONFIRMED:
        return confirmation.by_hand
    return confirmation.state == ConfirmationState.WITHDRAWN and not confirmation.disowned_at


def refusals(counts: dict[str, int]) -> list[str]:
    """Return the texts about rows that were not opened again."""
    texts = {
        Done.DISOWNED: gettext("Not opened, since the recipient disowned them: %(disowned)d."),
        Done.LASTING: gettext("Not opened, since their accounts keep the change: %(lasting)d."),
        Done.CHANGED: gettext(
            "Not opened, since their accounts are deactivated, gone, confirmed in another way, or "
            "have another address: %(changed)d."
        ),
    }
    return [text % counts for done, text in texts.items() if counts[done.value]]


def suppressed_since(confirmation: Confirmation) -> list[datetime]:
    """Return the time of the suppression of the address, in a list; an empty list without one."""
    account = _account_of(confirmation)
    since = suppression.since(account.mailbox) if account else None
    return [since] if since else []


def _account_of(confirmation: Confirmation) -> Account | None:
    return account_of(confirmation) or moved_account_of(confirmation)


def withdraw(confirmation: Confirmation) -> Done:
    """Withdraw the confirmation."""
    return Done.YES if engine.withdraw(confirmation, by_hand=True) else Done.NOT_PENDING


def confirm(confirmation: Confirmation) -> Done:
    """Confirm the account without a link."""
    return Done.YES if engine.confirm_by_hand(confirmation) else Done.NOT_PENDING


def reopen(confirmation: Confirmation) -> Done:
    """Make what staff withdrew or confirmed by hand pending again."""
    return _REOPENED[engine.open_again(confirmation)]


#: The actions that couriers carry out on large selections.
IN_RUNS: dict[Callable[[Confirmation], Done], RunAction] = {
    resend: RunAction.RESEND,
    withdraw: RunAction.WITHDRAW,
    confirm: RunAction.CONFIRM,
    reopen: RunAction.REOPEN,
}
