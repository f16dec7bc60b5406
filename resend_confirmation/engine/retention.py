"""Retention: delete rows past their retention in batches; it can stop after each one."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.db.models import Q, QuerySet

from .. import addresses, conf, database, failures
from ..deliveries import states
from ..limits import cooldown
from ..models import Cooldown, Delivery, HourlyCount, RequestRecord
from ..outcomes import DeliveryState, Priority
from . import counting

#: Maximum number of rows per batch. Each batch is a separate transaction, so that locks are short.
PRUNE_BATCH = 1000
#: Interval between two sweeps, over all processes, and the maximum number of batches in one sweep.
#: After a sweep that reached the maximum, the next one follows sooner.
SWEEP_INTERVAL = timedelta(minutes=10)
SOON = timedelta(minutes=1)
MOST_BATCHES = 10


def prune(batch: int = PRUNE_BATCH) -> Iterator[int]:
    """Delete old rows batch by batch, and yield the number of rows of each batch.

    The caller may stop at any time. Deliveries are deleted after the "ended" time of RETENTION,
    counted from the request, and ignored ones after its "ignored" time, counted from when they
    were last due, as are records of requests. Cooldowns are deleted after all of their windows
    have passed. A delivery with a link that has not expired is kept. Counts are deleted after a
    month.
    """
    settings, now = conf.get(), database.now()
    dead_link = Q(link_expires_at=None) | Q(link_expires_at__lt=now)
    ended = Delivery.objects.filter(dead_link, asked_at__lt=now - settings.RETENTION.ended)
    # Excluded states and the order leave only the index on the time to choose.
    ended = ended.exclude(state__in=set(DeliveryState) - states.ENDED).order_by("asked_at")
    yield from _in_batches(ended, batch)
    # A request is never due before it was made. The index of due deliveries has the ignored ones
    # next to each other.
    until = now - settings.RETENTION.ignored
    ignored = Delivery.objects.filter(state=DeliveryState.IGNORED, priority=Priority.PEOPLE)
    yield from _in_batches(ignored.filter(not_before__lt=until).order_by("not_before"), batch)
    recorded = RequestRecord.objects.filter(asked_at__lt=until).order_by("asked_at")
    yield from _in_batches(recorded, batch)
    # The longest window of a cooldown is a day, or the gap. Rows are kept for another day.
    until = now - max(conf.DAY, settings.COOLDOWN.gap) - conf.DAY
    unsent = Q(sent_at=None) | Q(sent_at__lt=until)
    # The day began at or before the last slot. Only the index on its beginning has this order.
    old = Cooldown.objects.filter(unsent, day_from__lt=until, last_at__lt=until)
    yield from _in_batches(old.order_by("day_from"), batch)
    counts = HourlyCount.objects.filter(hour__lt=now - counting.KEPT)
    yield from _in_batches(counts.order_by("hour"), batch)


def sweep(is_stopping: Callable[[], bool] = lambda: False) -> int:
    """Count deliveries and prune a few batches if no courier did recently.

    Return the number of rows deleted. Every drain calls it, so that sites need no timer for it.
    Errors are only logged, since a later sweep tries again.
    """
    total = batches = 0
    try:
        if not _take_turn(database.now()):
            return 0
        # Rows are counted before they are deleted.
        counting.advance(is_stopping)
        for deleted in islice(prune(), MOST_BATCHES):
            total, batches = total + deleted, batches + 1
            if is_stopping():
                break
        if batches == MOST_BATCHES:
            _turn().update(last_at=database.now() - SWEEP_INTERVAL + SOON)
    except Exception:
        failures.report("Old rows could not be pruned")
    return total


def _turn() -> QuerySet[Cooldown]:
    """Return the row that records the time of the last sweep."""
    return Cooldown.objects.filter(digest=_key())


def _key() -> str:
    return addresses.keyed_digests("site", "pruning")[0]


def _take_turn(now: datetime) -> bool:
    # This query avoids an INSERT that fails.
    if _turn().filter(last_at__gt=now - SWEEP_INTERVAL).exists():
        return False
    return cooldown.count(_key(), now, conf.Cooldown(gap=SWEEP_INTERVAL))


def _in_batches(rows: QuerySet[Any], batch: int) -> Iterator[int]:
    while pks := list(rows.values_list("pk", flat=True)[:batch]):
        # The condition applies again, since a cooldown may have been taken in between.
        deleted, _ = rows.filter(pk__in=pks).delete()
        yield deleted
