"""The reason why a person has no message, or has not confirmed yet, from the facts in the database.

It has no texts for people. The admin and the command form them.
"""

import enum
from datetime import datetime, timedelta
from typing import NamedTuple

from .. import database
from ..accounts import Account
from ..addresses import Address
from ..courier import pause
from ..deliveries import states
from ..limits import cooldown, suppression
from ..models import Confirmation, Delivery
from ..outcomes import ConfirmationState, DeliveryState, Reason, Standing
from .signup import account_of, moved_account_of


class Kind(enum.Enum):
    """The fact that explains a confirmation; its value is stable, for programs."""

    CONFIRMED = "confirmed"
    WITHDRAWN = "withdrawn"
    BLOCKED = "blocked"
    ADDRESS_CHANGED = "address_changed"
    SUPPRESSED = "suppressed"
    PAUSED = "paused"
    BUDGET = "budget"
    RETRY = "retry"
    TURN = "turn"
    DUE = "due"
    SENDING = "sending"
    COOLDOWN = "cooldown"
    NOTHING = "nothing"
    SENT = "sent"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    UNCERTAIN = "uncertain"
    UNSENT = "unsent"


class Remedy(enum.Enum):
    """A help for the person; the values are names of the admin's actions."""

    LIFT = "lift_and_resend"
    RESEND = "resend"
    CONFIRM = "confirm"


class Explanation(NamedTuple):
    """The fact, its time, and what helps, the best first.

    ``words`` is the reply of a mail server or the class of an error. ``reason`` is that of the
    delivery. ``cooldown_until`` is when the address's cooldown ends, if it lasts.
    """

    kind: Kind
    at: datetime | None = None
    words: str = ""
    reason: Reason = Reason.NONE
    remedies: tuple[Remedy, ...] = ()
    cooldown_until: datetime | None = None


#: Remedies if a new message can arrive, and if it cannot.
_SEND = (Remedy.RESEND, Remedy.CONFIRM)
_BY_HAND = (Remedy.CONFIRM,)

_ENDED = {
    DeliveryState.SENT: Kind.SENT,
    DeliveryState.DELIVERED: Kind.DELIVERED,
    DeliveryState.BOUNCED: Kind.BOUNCED,
    DeliveryState.COMPLAINED: Kind.COMPLAINED,
    DeliveryState.UNKNOWN: Kind.UNCERTAIN,
}

_SETTLED = {
    ConfirmationState.CONFIRMED: Kind.CONFIRMED,
    ConfirmationState.WITHDRAWN: Kind.WITHDRAWN,
}

_STANDINGS = {Standing.CONFIRMED: Kind.CONFIRMED, Standing.BLOCKED: Kind.BLOCKED}


def explain(confirmation: Confirmation) -> Explanation:
    """Return what explains that nothing arrived, with a constant number of statements."""
    if kind := _SETTLED.get(ConfirmationState(confirmation.state)):
        is_confirmed = kind is Kind.CONFIRMED
        at = confirmation.confirmed_at if is_confirmed else confirmation.disowned_at
        return Explanation(kind, at)
    account = account_of(confirmation) or moved_account_of(confirmation)
    if account is None or account.parsed is None:
        return Explanation(Kind.ADDRESS_CHANGED)
    if kind := _STANDINGS.get(account.standing):
        return Explanation(kind)
    return _of_pending(confirmation, account)


def _of_pending(confirmation: Confirmation, account: Account) -> Explanation:
    newest = confirmation.deliveries.order_by("-asked_at", "-pk")
    message = newest.exclude(states.IS_IGNORED).first()
    if since := suppression.since(account.mailbox):
        words = _words(message) if message and message.state == DeliveryState.BOUNCED else ""
        return Explanation(Kind.SUPPRESSED, since, words, remedies=(Remedy.LIFT, Remedy.CONFIRM))
    until = cooldown_until(account.mailbox)
    refused = newest.filter(states.IS_IGNORED, reason=Reason.COOLING_DOWN).first()
    if until and (message is None or (refused and refused.asked_at > message.asked_at)):
        # No message at all: that of another account with the address started the cooldown.
        return Explanation(Kind.COOLDOWN, until, remedies=_BY_HAND, cooldown_until=until)
    if message is None:
        return Explanation(Kind.NOTHING, remedies=_SEND)
    waits = _of_waiting(message)
    return (waits or _of_ended(message))._replace(cooldown_until=until)


def cooldown_until(address: Address) -> datetime | None:
    """Return when the cooldown of ``address`` ends, or None if it does not last."""
    now, row = database.now(), cooldown.rows(address).first()
    wait = cooldown.seconds_left(row, now) if row else 0
    return now + timedelta(seconds=wait) if wait else None


def _of_waiting(message: Delivery) -> Explanation | None:
    """Return what a message waits for, or None if the courier is finished with it."""
    if message.state == DeliveryState.SENDING:
        return Explanation(Kind.SENDING, message.handed_at)
    if message.state not in {DeliveryState.ASKED, DeliveryState.QUEUED}:
        return None
    if why := pause.current():
        kind = Kind.BUDGET if why.reason == "budget" else Kind.PAUSED
        error = f"{why.error_class} {why.error_code}".strip()
        return Explanation(kind, why.until, error, remedies=_BY_HAND)
    if message.not_before <= database.now():
        return Explanation(Kind.DUE, message.not_before, remedies=_BY_HAND)
    if message.reason == Reason.TURN or not message.attempts:
        return Explanation(Kind.TURN, message.not_before, remedies=_BY_HAND)
    reason, words = Reason(message.reason), _words(message)
    return Explanation(Kind.RETRY, message.not_before, words, reason, _BY_HAND)


def _of_ended(message: Delivery) -> Explanation:
    kind = _ENDED.get(DeliveryState(message.state), Kind.UNSENT)
    at = message.sent_at if kind is Kind.SENT else message.ended_at
    is_sendable = message.reason != Reason.UNSUPPORTED
    remedies = _SEND if is_sendable else _BY_HAND
    return Explanation(kind, at, _words(message), Reason(message.reason), remedies)


def _words(message: Delivery) -> str:
    """Return the reply of the mail server, or the code of the failure."""
    return message.error_text or message.error_code
