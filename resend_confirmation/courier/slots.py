"""The cooldown's slot that a delivery took, given back when nothing can have gone out for it."""

from datetime import timedelta

from django.db.models import F, Value

from .. import addresses, conf
from ..models import Cooldown, Delivery
from ..outcomes import DeliveryState

#: Ends without a message, unless a try before left a doubt.
UNSENT = frozenset({DeliveryState.FAILED, DeliveryState.ABANDONED, DeliveryState.SUPPRESSED})


def give_back(delivery: Delivery) -> bool:
    """Let the person whose message just ended unsent ask again at once.

    Called in the transaction that ends ``delivery``, with its row as it was claimed. The wait and
    the hour's unit are given back, the day's is not: it bounds how often somebody can make us try
    an address that is refused each time. Nothing is given back when the message may have gone out
    after all, when another that shares the slot may or still can, or when a later ask took a slot
    meanwhile. True when it was given back, which happens once.
    """
    confirmation = delivery.confirmation
    if delivery.slot_at is None or delivery.doubts or confirmation is None:
        return False
    if not addresses.is_address(confirmation.address):
        # Spoilt after it was asked for; where its slot is cannot be told any more.
        return False
    digests = addresses.keyed_digests(addresses.canonical(confirmation.address), "cooldown")
    row = Cooldown.objects.filter(digest__in=digests, last_at=delivery.slot_at)
    # The row's lock makes couriers that end two messages of one slot at the same time take turns,
    # so that the second sees the first's end.
    if not row.select_for_update().values_list("pk", flat=True).first():
        return False
    sharing = Delivery.objects.filter(
        confirmation__fingerprint=confirmation.fingerprint, slot_at=delivery.slot_at
    )
    if sharing.exclude(pk=delivery.pk).exclude(state__in=UNSENT, doubts=0).exists():
        return False
    # Never the same moment again, so that the condition above holds for one caller alone.
    gap = max(conf.get().COOLDOWN, timedelta(microseconds=1))
    # The slot's taker found the gap and the hour free, so both are as it found them.
    given = row.filter(hour_count__gt=0).update(
        last_at=Value(delivery.slot_at - gap), hour_count=F("hour_count") - 1
    )
    return bool(given)
