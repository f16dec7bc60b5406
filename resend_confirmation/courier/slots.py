"""The cooldown's slot that a delivery took, given back when nothing can have gone out for it."""

from datetime import datetime, timedelta

from django.db.models import F, QuerySet, Value

from .. import conf
from ..models import Cooldown, Delivery


def give_back(delivery: Delivery) -> bool:
    """Let the person whose message just ended unsent ask again at once.

    Called in the transaction that ends ``delivery``, with its row as it was claimed. The wait and
    the hour's unit are given back, the day's is not: it bounds how often somebody can make us try
    an address that is refused each time. Nothing is given back when the message may have gone out
    after all, or when a later ask took a slot meanwhile. True when it was given back, which
    happens once.
    """
    slot_at, row = _slot(delivery)
    if slot_at is None:
        return False
    # Never the same moment again, so that the condition holds for one caller alone.
    gap = max(conf.get().COOLDOWN.gap, timedelta(microseconds=1))
    # The slot's taker found the gap and the hour free, so both are as it found them.
    given = row.filter(last_at=slot_at, hour_count__gt=0).update(
        last_at=Value(slot_at - gap), hour_count=F("hour_count") - 1
    )
    return bool(given)


def give_back_unit(delivery: Delivery) -> None:
    """Give the hour's unit back, and not the wait: a newer message goes out in its place."""
    slot_at, row = _slot(delivery)
    if slot_at is not None:
        row.filter(hour_from__lte=slot_at, hour_count__gt=0).update(hour_count=F("hour_count") - 1)


def _slot(delivery: Delivery) -> tuple[datetime | None, QuerySet[Cooldown]]:
    """Return when the slot was taken, None if it stays, and the row that it is of."""
    confirmation, nothing = delivery.confirmation, Cooldown.objects.none()
    if delivery.doubts or confirmation is None:
        return None, nothing
    if confirmation.parsed is None:
        # Spoilt after it was asked for: which row has its slot cannot be told any more.
        return None, nothing
    digests = confirmation.parsed.digests("cooldown")
    return delivery.slot_at, Cooldown.objects.filter(digest__in=digests)
