"""States of deliveries: how they follow one another, and the UPDATE that moves a row."""

from typing import Any

from django.db.models import Q
from django.db.models.functions import Lower
from django.db.models.lookups import In

from .. import database
from ..limits import cooldown
from ..models import Confirmation, Delivery, Suppression
from ..outcomes import DeliveryState, Reason
from . import outbox


def _is_one_of(*states: DeliveryState) -> Q:
    """Return the condition that a row found by its key or its confirmation is in one of ``states``.

    The function keeps databases from using the index of due deliveries, by which they would read
    all rows of a state. With outdated statistics, planners take these for fewer than one.
    """
    return Q(In(Lower("state"), states))


#: Conditions on the state of known rows. Rows that are looked for by their state have ``state=``.
IS_ASKED = _is_one_of(DeliveryState.ASKED)
IS_IGNORED = _is_one_of(DeliveryState.IGNORED)
IS_QUEUED = _is_one_of(DeliveryState.QUEUED)
IS_CLAIMED = _is_one_of(DeliveryState.SENDING)
_ALWAYS = Q()

#: States in which the courier is finished with a message.
ENDED = frozenset(
    {
        DeliveryState.SENT,
        DeliveryState.DELIVERED,
        DeliveryState.BOUNCED,
        DeliveryState.COMPLAINED,
        DeliveryState.FAILED,
        DeliveryState.ABANDONED,
        DeliveryState.SUPPRESSED,
        DeliveryState.SUPERSEDED,
        DeliveryState.UNKNOWN,
    }
)
#: States of a message that was not sent, unless an earlier attempt was ambiguous.
UNSENT = frozenset(
    {
        DeliveryState.FAILED,
        DeliveryState.ABANDONED,
        DeliveryState.SUPPRESSED,
        DeliveryState.SUPERSEDED,
    }
)
#: States to which an attempt moves a message that was sent, or may have been.
MAYBE_SENT = frozenset({DeliveryState.SENT, DeliveryState.UNKNOWN})
#: States whose UPDATE sets ``ended_at``. After SENT the provider may still report.
_FINAL = (ENDED - {DeliveryState.SENT}) | {DeliveryState.IGNORED}

#: Condition on the rows that have sent no message so far.
NOT_SENT = _is_one_of(*UNSENT, DeliveryState.QUEUED) & Q(doubts=0)

#: Rows that wait for a retry after an ambiguous attempt: the message may have been sent.
_AMBIGUOUS = IS_QUEUED & Q(doubts__gt=0)
_HANDED_OVER = (DeliveryState.SENDING, DeliveryState.SENT, DeliveryState.UNKNOWN)

#: The rows from which each state is reached. Rows are inserted as ASKED or QUEUED. Providers'
#: events arrive in any order, and a worse state is kept.
FROM: dict[DeliveryState, Q] = {
    DeliveryState.QUEUED: IS_ASKED | IS_CLAIMED,
    DeliveryState.IGNORED: IS_ASKED,
    DeliveryState.SENDING: IS_QUEUED,
    DeliveryState.SENT: IS_CLAIMED,
    DeliveryState.FAILED: IS_ASKED | IS_CLAIMED,
    DeliveryState.ABANDONED: IS_CLAIMED | (IS_QUEUED & Q(doubts=0)),
    DeliveryState.SUPPRESSED: IS_CLAIMED,
    DeliveryState.SUPERSEDED: IS_CLAIMED | (IS_QUEUED & Q(doubts=0)),
    DeliveryState.UNKNOWN: IS_CLAIMED | _AMBIGUOUS,
    DeliveryState.DELIVERED: _AMBIGUOUS | _is_one_of(*_HANDED_OVER),
    DeliveryState.BOUNCED: _AMBIGUOUS | _is_one_of(*_HANDED_OVER, DeliveryState.DELIVERED),
    DeliveryState.COMPLAINED: _AMBIGUOUS
    | _is_one_of(*_HANDED_OVER, DeliveryState.DELIVERED, DeliveryState.BOUNCED),
}

#: Reported states that suppress later messages to the address; a bounce only if it is permanent.
SUPPRESSIONS = {
    DeliveryState.BOUNCED: Suppression.Why.BOUNCED,
    DeliveryState.COMPLAINED: Suppression.Why.COMPLAINED,
}

#: The state in which a message ends for each reason.
_ENDINGS = {
    Reason.NONE: DeliveryState.SENT,
    Reason.DOUBTFUL: DeliveryState.UNKNOWN,
    Reason.SUPPRESSED: DeliveryState.SUPPRESSED,
    Reason.SUPERSEDED: DeliveryState.SUPERSEDED,
    Reason.ADDRESS_CHANGED: DeliveryState.ABANDONED,
    Reason.CONFIRMED: DeliveryState.ABANDONED,
    Reason.BLOCKED: DeliveryState.ABANDONED,
    Reason.CANCELLED: DeliveryState.ABANDONED,
    Reason.REFUSED: DeliveryState.FAILED,
    Reason.UNSUPPORTED: DeliveryState.FAILED,
    Reason.NOT_ACCEPTED: DeliveryState.FAILED,
    Reason.CRASHED: DeliveryState.FAILED,
    Reason.INTERRUPTED: DeliveryState.FAILED,
    Reason.TOO_LATE: DeliveryState.FAILED,
}


def ending(reason: Reason, *, doubts: int) -> tuple[DeliveryState, Reason]:
    """Return the state in which a message ends for ``reason``, and the reason to record.

    After an ambiguous attempt, a message that failed, was superseded or cancelled is UNKNOWN,
    unless it is only too late for its repeat.
    """
    state = _ENDINGS[reason]
    if doubts and reason in {Reason.SUPERSEDED, Reason.CANCELLED}:
        return DeliveryState.UNKNOWN, reason
    if doubts and state is DeliveryState.FAILED and reason is not Reason.TOO_LATE:
        return DeliveryState.UNKNOWN, Reason.DOUBTFUL
    return state, reason


def move(delivery_id: int, to: DeliveryState, where: Q = _ALWAYS, **values: Any) -> bool:
    """Move a delivery to the state ``to``; return False if it is not in a state before that.

    It is one conditional UPDATE, so that of several callers one succeeds. ``where`` is a further
    condition, ``values`` are further columns. The move is announced after the commit.
    """
    if to is not DeliveryState.SENDING:
        values |= {"lease_owner": "", "lease_until": None}
    if to in _FINAL:
        values |= {"ended_at": database.now()}
    rows = Delivery.objects.filter(FROM[to], where, pk=delivery_id)
    if not rows.update(state=to, **values):
        return False
    outbox.announce(delivery_id, to, Reason(values.get("reason", "")))
    return True


def copy_to_confirmation(confirmation_id: int | None, state: DeliveryState, **values: Any) -> None:
    """Write the state of a confirmation's newest delivery, and ``values``, to the confirmation."""
    rows = Confirmation.objects.filter(pk=confirmation_id or 0)
    rows.update(last_delivery_state=state, **values)


def release(delivery: Delivery, state: DeliveryState) -> None:
    """Release the slot of a delivery that ended in ``state``, unless it may have been sent.

    Call it in the transaction that ends the delivery, with the row as it was before. A superseded
    delivery releases only the hour's unit, since the newer one is sent instead.
    """
    address = delivery.confirmation.parsed if delivery.confirmation else None
    # Without a valid address the row of the cooldown cannot be found.
    if delivery.doubts or delivery.slot_at is None or address is None:
        return
    if state is DeliveryState.SUPERSEDED:
        cooldown.release_unit(address, delivery.slot_at)
    elif state in UNSENT:
        cooldown.release(address, delivery.slot_at)
