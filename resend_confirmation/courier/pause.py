"""Pauses of the queue: e-mail settings that do not work, or an hourly budget that is used up."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError
from django.db.models import Case, F, Q, Value, When

from .. import addresses, conf, database
from ..models import Confirmation, Cooldown, Delivery
from ..outcomes import DeliveryState, Origin, Reason

logger = logging.getLogger("resend_confirmation")

#: Length of the pause after the mail server did not accept the settings.
PAUSE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause of the queue; ``reason`` is "configuration" or "budget".

    ``error_class`` and ``error_code`` are the error of the e-mail backend. ``since`` is the time
    when it last occurred, None for a budget. ``until`` is the time from which the next message may
    be tried.
    """

    reason: str
    error_class: str
    error_code: str
    since: datetime | None
    until: datetime

    def __str__(self) -> str:
        until = self.until.isoformat(timespec="seconds")
        if self.reason == "budget":
            return f"paused until {until}: the hourly budget is used up"
        error = f"{self.error_class} {self.error_code}".strip()
        return f"paused until {until}: the e-mail settings do not work ({error})"


def paused_by() -> Delivery | None:
    """Return the delivery that found the settings wrong, or None if the queue is not paused by one.

    The row itself is the pause, so every courier sees it.
    """
    return (
        Delivery.objects.filter(
            state=DeliveryState.QUEUED,
            not_before__gt=database.latest(),
            reason=Reason.CONFIGURATION,
        )
        .order_by("-not_before")
        .first()
    )


@dataclass(frozen=True, slots=True)
class Budget:
    """The hourly budget: its limit, the messages used, and the end of the hour."""

    limit: int
    used: int = 0
    until: datetime | None = None

    @property
    def is_used_up(self) -> bool:
        """True if all messages wait for the next hour."""
        return self.used >= self.limit

    @property
    def has_the_rest_kept(self) -> bool:
        """True if resends wait for the next hour, and first messages are still sent."""
        return not self.is_used_up and self.used >= most(self.limit, Origin.ASK, sends=1)


def most(limit: int, origin: int, sends: int) -> int:
    """Return how many messages of this hour may precede one with this ``origin`` and ``sends``.

    A fifth of ``limit`` is reserved for sign-ups and for runs to people who never got a message.
    Another fifth is reserved for the first messages that such people request themselves. Repeated
    requests by strangers therefore cannot use up the whole budget.
    """
    kept = max(1, limit // 5)
    if sends:
        return max(1, limit - 2 * kept)
    return max(1, limit - kept) if origin == Origin.ASK else limit


def budget() -> Budget | None:
    """Return the state of the hourly budget, or None if no budget is set."""
    limit = conf.get().HOURLY_BUDGET
    if not limit:
        return None
    hour_from = database.now() - HOUR
    row = Cooldown.objects.filter(digest=_key(), hour_from__gt=hour_from).first()
    return Budget(limit, row.hour_count, row.hour_from + HOUR) if row else Budget(limit)


def pause() -> Pause | None:
    """Return the current pause of the queue, or None if messages are sent."""
    if row := paused_by():
        since = row.not_before - PAUSE
        return Pause("configuration", row.error_class, row.error_code, since, row.not_before)
    hour = budget()
    if hour and hour.is_used_up and hour.until:
        return Pause("budget", "", "", None, hour.until)
    return None


def _key() -> str:
    return addresses.keyed_digests("everybody", "budget")[0]


def over_budget(delivery: Delivery, confirmation: Confirmation) -> Budget | None:
    """Count one message in this hour's budget. Return the budget if it has no room for the message.

    The budget is one row with a fixed key. It is counted by a conditional UPDATE, like an address's
    cooldown.
    """
    limit = conf.get().HOURLY_BUDGET
    if not limit:
        return None
    now = database.now()
    key = _key()
    is_over = Q(hour_from__lte=now - HOUR)
    share = most(limit, delivery.origin, confirmation.sends)
    row = Cooldown.objects.filter(is_over | Q(hour_count__lt=share), digest=key)
    # Counts before the start: MariaDB assigns from left to right and would see the new start.
    taken = row.update(
        hour_count=Case(When(is_over, then=Value(1)), default=F("hour_count") + 1),
        day_count=Case(When(is_over, then=Value(0)), default=F("day_count") + 0),
        hour_from=Case(When(is_over, then=Value(now)), default=F("hour_from")),
        last_at=now,
    )
    if taken or _first(key, now):
        return None
    found = budget() or Budget(limit)
    _tell_once(key, found)
    return found


def _tell_once(key: str, found: Budget) -> None:
    """Log that messages wait, once an hour for all couriers. The row's ``day_count`` records it."""
    if found.until and Cooldown.objects.filter(digest=key, day_count=0).update(day_count=1):
        logger.warning(
            "HOURLY_BUDGET: %d of %d messages were sent; the rest wait until %s",
            found.used,
            found.limit,
            found.until.isoformat(timespec="seconds"),
        )


def _first(key: str, now: datetime) -> bool:
    try:
        with database.atomic():
            Cooldown.objects.create(
                digest=key, last_at=now, hour_from=now, hour_count=1, day_from=now, day_count=0
            )
    except IntegrityError:
        return False
    return True
