"""Counts of deliveries by hour, client and dialect, which stay after the rows are pruned.

Deliveries belong to the hour of their request. What becomes of them changes later, so an hour is
counted again from its rows, less and less often, and no longer when some may have been pruned.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

from django.db.models import Count, F, Q, QuerySet, Sum

from .. import conf, database, failures
from ..conf import DAY, HOUR
from ..models import Delivery, HourlyCount
from ..outcomes import ConfirmationState, DeliveryState

#: Age up to which an hour is counted again.
RECOUNTED = 7 * DAY
#: Time before the first rows of an hour are pruned at which it is no longer counted.
MARGIN = timedelta(minutes=10)
#: Age up to which counts are kept.
KEPT = 31 * DAY
#: An hour is counted again after this part of its age.
PART = 10
#: Maximum number of hours in one sweep. Only the first sweeps of a site reach it.
MOST_HOURS = 100
#: If so many deliveries or fewer were requested within a day, these are counted for each page.
FEW = 10_000


class Numbers(NamedTuple):
    """Deliveries of some hours: requested, and what became of them.

    ``sent`` are those that the mail server accepted, also if they bounced later. ``delivered``,
    ``bounced`` and ``complained`` are what the mail provider reports. ``confirmed`` are those after
    which the recipient confirmed, before another message.
    """

    asked: int = 0
    sent: int = 0
    delivered: int = 0
    bounced: int = 0
    complained: int = 0
    confirmed: int = 0
    confirmed_in_minutes: int = 0
    confirmed_in_an_hour: int = 0
    confirmed_in_a_day: int = 0


class Counted(NamedTuple):
    """The numbers of a client and a dialect."""

    client: str
    dialect: str
    numbers: Numbers


_DELIVERED = Q(state__in=(DeliveryState.DELIVERED, DeliveryState.COMPLAINED))
_BOUNCED = Q(state=DeliveryState.BOUNCED)
#: A confirmation has the time of its newest message.
_CONFIRMED = Q(
    sent_at=F("confirmation__last_sent_at"),
    confirmation__state=ConfirmationState.CONFIRMED,
    confirmation__by_hand=False,
    confirmation__confirmed_at__gte=F("sent_at"),
)


def _confirmed_within(limit: timedelta) -> Q:
    return _CONFIRMED & Q(confirmation__confirmed_at__lte=F("sent_at") + limit)


_CONDITIONS = {
    "asked": None,
    "sent": Q(state=DeliveryState.SENT) | _DELIVERED | _BOUNCED,
    "delivered": _DELIVERED,
    "bounced": _BOUNCED,
    "complained": Q(state=DeliveryState.COMPLAINED),
    "confirmed": _CONFIRMED,
    "confirmed_in_minutes": _confirmed_within(timedelta(minutes=5)),
    "confirmed_in_an_hour": _confirmed_within(HOUR),
    "confirmed_in_a_day": _confirmed_within(DAY),
}


def total(numbers: Iterable[Numbers]) -> Numbers:
    """Return the sums."""
    return Numbers(*map(sum, zip(Numbers(), *numbers, strict=True)))


def advance(is_stopping: Callable[[], bool] = lambda: False) -> None:
    """Count some of the hours that are due, the newest first.

    Errors are only logged, since a later call tries again.
    """
    try:
        for hour, before in islice(_due(database.now()), MOST_HOURS):
            if is_stopping():
                break
            _count(hour, before)
    except Exception:
        failures.report("Deliveries could not be counted")


def _due(now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield the hours to count, and when each was last counted: at its beginning if never."""
    retention = conf.get().RETENTION
    complete_from = now + MARGIN - min(RECOUNTED, retention.ended, retention.ignored)
    newest = _hour_of(now)
    times = Delivery.objects.filter(asked_at__gte=newest - KEPT).order_by("asked_at")
    oldest = times.values_list("asked_at", flat=True).first()
    counted = HourlyCount.objects.filter(hour__gt=newest - KEPT, client="", dialect="")
    known = dict(counted.values_list("hour", "counted_at"))
    for age in range(KEPT // HOUR):
        hour = newest - age * HOUR
        before = known.get(hour, hour)
        if hour not in known:
            is_due = oldest is not None and oldest < hour + HOUR
        else:
            is_due = hour >= complete_from and (now - before) * PART >= now - hour
        if is_due:
            yield hour, before


def _count(hour: datetime, before: datetime) -> None:
    """Count the deliveries of ``hour``, unless another process did since ``before``."""
    now = database.now()
    # Outside of the transaction, which locks a SQLite database.
    found = _counted(Delivery.objects.filter(asked_at__gte=hour, asked_at__lt=hour + HOUR))
    _write(hour, before, now, found)


@database.retry_on_deadlock
def _write(hour: datetime, before: datetime, now: datetime, found: list[Counted]) -> None:
    """Replace the rows of ``hour``, if it was last counted at ``before``."""
    whole = {"hour": hour, "client": "", "dialect": ""}
    groups = [each for each in found if each.client or each.dialect]
    rest = total(each.numbers for each in found if each not in groups)
    with database.atomic():
        HourlyCount.objects.bulk_create(
            [HourlyCount(**whole, counted_at=hour)], ignore_conflicts=True
        )
        row = HourlyCount.objects.filter(**whole, counted_at=before)
        # The row is locked until the commit.
        if not row.update(counted_at=now, **rest._asdict()):
            return
        HourlyCount.objects.filter(hour=hour).exclude(client="", dialect="").delete()
        HourlyCount.objects.bulk_create(
            HourlyCount(
                hour=hour,
                client=each.client,
                dialect=each.dialect,
                counted_at=now,
                **each.numbers._asdict(),
            )
            for each in groups
        )


def read(periods: Iterable[timedelta]) -> list[list[Counted]]:
    """Return the numbers of each period until now, by client and dialect.

    A period begins with the hour in which it began. The newest day is counted from its rows if
    these are few.
    """
    now = database.now()
    recent = Delivery.objects.filter(asked_at__gte=_hour_of(now - DAY))
    are_few = recent.order_by("asked_at")[: FEW + 1].count() <= FEW
    newest = _counted(recent) if are_few else []
    stored = HourlyCount.objects.all()
    if are_few:
        stored = stored.filter(hour__lt=_hour_of(now - DAY))
    return [[*newest, *_stored(stored, _hour_of(now - period))] for period in periods]


def counted_at() -> datetime | None:
    """Return when a courier last counted, or None if none did."""
    row = HourlyCount.objects.filter(client="", dialect="").order_by("-hour").first()
    return row.counted_at if row else None


def _counted(deliveries: QuerySet[Delivery]) -> list[Counted]:
    counts = {name: Count("pk", filter=condition) for name, condition in _CONDITIONS.items()}
    return _grouped(deliveries.order_by(), counts)


def _stored(rows: QuerySet[HourlyCount], since: datetime) -> list[Counted]:
    sums = {name: Sum(name) for name in Numbers._fields}
    return _grouped(rows.filter(hour__gte=since, asked__gt=0).order_by(), sums)


def _grouped(rows: QuerySet[Any], numbers: dict[str, Any]) -> list[Counted]:
    # A column cannot have the name of a field of the model.
    aliases = {f"{name}_number": aggregate for name, aggregate in numbers.items()}
    found = rows.values_list("client", "dialect").annotate(**aliases)
    return [Counted(client, dialect, Numbers(*rest)) for client, dialect, *rest in found]


def _hour_of(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
