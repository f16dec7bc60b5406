"""Pruning: what is past its retention goes, a batch at a time, so that it can stop anywhere."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.db import IntegrityError
from django.db.models import Q, QuerySet

from .. import addresses, conf, database, failures
from ..models import Cooldown, Delivery
from ..outcomes import DeliveryState

#: Rows deleted in one statement, each a transaction of its own: locks stay short.
BATCH = 1000
#: How often those who drain prune as well, all together, and how many batches each time; sooner
#: where there was more.
EVERY = timedelta(minutes=10)
SOON = timedelta(minutes=1)
MOST_BATCHES = 10
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

    Deliveries go RETENTION after they were asked for, ignored ones after its "ignored",
    cooldowns when every window is over. A delivery whose link still works stays.
    """
    settings, now = conf.get(), database.now()
    dead_link = Q(link_expires_at=None) | Q(link_expires_at__lt=now)
    deliveries = Delivery.objects.all()
    yield from _in_batches(
        deliveries.filter(dead_link, state__in=ENDED, asked_at__lt=now - settings.RETENTION.ended),
        batch,
    )
    yield from _in_batches(
        deliveries.filter(
            state=DeliveryState.IGNORED, asked_at__lt=now - settings.RETENTION.ignored
        ),
        batch,
    )
    kept = max(DAY, settings.COOLDOWN.gap) + DAY
    yield from _in_batches(
        Cooldown.objects.filter(
            Q(sent_at=None) | Q(sent_at__lt=now - kept), last_at__lt=now - kept
        ),
        batch,
    )


def sweep(is_stopping: Callable[[], bool] = lambda: False) -> int:
    """Prune a few batches if no courier did lately, and return how many rows went.

    Whoever drains calls it, so that no site needs a timer for it. Errors are reported: there is
    another turn.
    """
    total = batches = 0
    try:
        if not _take_turn(database.now()):
            return 0
        for deleted in islice(prune(), MOST_BATCHES):
            total, batches = total + deleted, batches + 1
            if is_stopping():
                break
        if batches == MOST_BATCHES:
            _turn().update(last_at=database.now() - EVERY + SOON)
    except Exception:
        failures.report("Old rows could not be pruned")
    return total


def _turn() -> QuerySet[Cooldown]:
    """Return the row that notes when the last turn was."""
    return Cooldown.objects.filter(digest=_key())


def _key() -> str:
    return addresses.keyed_digests("everybody", "pruning")[0]


def _take_turn(now: datetime) -> bool:
    if _turn().filter(last_at__lte=now - EVERY).update(last_at=now):
        return True
    if _turn().exists():
        return False
    try:
        with database.atomic():
            Cooldown.objects.create(
                digest=_key(), last_at=now, hour_from=now, hour_count=0, day_from=now, day_count=0
            )
    except IntegrityError:
        return False
    return True


def _in_batches(rows: QuerySet[Any], batch: int) -> Iterator[int]:
    while pks := list(rows.values_list("pk", flat=True)[:batch]):
        # The condition again: a cooldown may have been taken since.
        deleted, _ = rows.filter(pk__in=pks).delete()
        yield deleted
