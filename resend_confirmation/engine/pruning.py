"""Pruning: what is past its retention goes, a batch at a time, so that it can stop anywhere."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db.models import Q, QuerySet

from .. import clock, conf
from ..models import Cooldown, Delivery
from ..outcomes import DeliveryState

#: Rows deleted in one statement, each a transaction of its own: locks stay short.
BATCH = 1000
#: The longest window of a cooldown is a day, unless COOLDOWN itself is longer; a row untouched
#: for a day more says nothing.
DAY = timedelta(days=1)

#: States that a delivery does not leave by itself.
ENDED = (
    DeliveryState.SENT,
    DeliveryState.DELIVERED,
    DeliveryState.BOUNCED,
    DeliveryState.COMPLAINED,
    DeliveryState.FAILED,
    DeliveryState.ABANDONED,
    DeliveryState.SUPPRESSED,
    DeliveryState.SUPERSEDED,
    DeliveryState.UNKNOWN,
)


def prune(batch: int = BATCH) -> Iterator[int]:
    """Delete batch by batch, yielding how many rows each took; stop whenever you like.

    Deliveries go RETENTION after they were asked for, ignored asks after RETENTION_IGNORED,
    cooldowns when every window is over. A delivery whose link still works stays.
    """
    settings, now = conf.get(), clock.now()
    dead_link = Q(link_expires_at=None) | Q(link_expires_at__lt=now)
    deliveries = Delivery.objects.all()
    yield from _in_batches(
        deliveries.filter(dead_link, state__in=ENDED, asked_at__lt=now - settings.RETENTION),
        batch,
    )
    yield from _in_batches(
        deliveries.filter(
            state=DeliveryState.IGNORED, asked_at__lt=now - settings.RETENTION_IGNORED
        ),
        batch,
    )
    kept = max(DAY, settings.COOLDOWN) + DAY
    yield from _in_batches(
        Cooldown.objects.filter(
            Q(sent_at=None) | Q(sent_at__lt=now - kept), last_at__lt=now - kept
        ),
        batch,
    )


def _in_batches(rows: QuerySet[Any], batch: int) -> Iterator[int]:
    while pks := list(rows.values_list("pk", flat=True)[:batch]):
        # The condition again: a cooldown may have been taken since.
        deleted, _ = rows.filter(pk__in=pks).delete()
        yield deleted
