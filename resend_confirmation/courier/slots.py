"""Return of a delivery's slot of the cooldown, if no message can have been sent for it."""

from datetime import datetime, timedelta

from django.db.models import F, QuerySet, Value

from .. import conf
from ..models import Cooldown, Delivery


def give_back(delivery: Delivery) -> bool:
    """Give back the slot of a delivery that ended unsent. Return whether it was given back.

    The recipient can then request again at once. Called in the transaction that ends ``delivery``,
    with its row as it was claimed. The wait and the hour's unit are given back. The day's unit is
    not, since it limits how often a caller can cause attempts to an address that is refused each
    time. Nothing is given back if the message may have been sent, or if a later request took a
    slot. A slot is given back only once.
    """
    slot_at, row = _slot(delivery)
    if slot_at is None:
        return False
    # The new ``last_at`` differs from ``slot_at``, so that the condition holds only once.
    gap = max(conf.get().COOLDOWN.gap, timedelta(microseconds=1))
    # The gap and the hour were free when the slot was taken. This restores both.
    given = row.filter(last_at=slot_at, hour_count__gt=0).update(
        last_at=Value(slot_at - gap), hour_count=F("hour_count") - 1
    )
    return bool(given)


def give_back_unit(delivery: Delivery) -> None:
    """Give back the hour's unit but not the wait, since a newer message is sent instead."""
    slot_at, row = _slot(delivery)
    if slot_at is not None:
        row.filter(hour_from__lte=slot_at, hour_count__gt=0).update(hour_count=F("hour_count") - 1)


def _slot(delivery: Delivery) -> tuple[datetime | None, QuerySet[Cooldown]]:
    """Return when the slot was taken, or None if it stays, and the query for its row."""
    confirmation, nothing = delivery.confirmation, Cooldown.objects.none()
    if delivery.doubts or confirmation is None:
        return None, nothing
    if confirmation.parsed is None:
        # The stored address is no longer valid, so its cooldown row cannot be found.
        return None, nothing
    digests = confirmation.parsed.digests("cooldown")
    return delivery.slot_at, Cooldown.objects.filter(digest__in=digests)
