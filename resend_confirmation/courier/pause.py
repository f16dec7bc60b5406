"""Pauses of the queue: e-mail settings that do not work, or an hourly budget that is used up."""

from datetime import datetime, timedelta
from typing import NamedTuple

from .. import database
from ..limits import budget
from ..models import Delivery
from ..outcomes import DeliveryState, Priority, Reason

#: Length of the pause after the mail server did not accept the settings.
LENGTH = timedelta(minutes=1)


class Pause(NamedTuple):
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
    now = database.latest()
    found = (
        Delivery.objects.filter(
            state=DeliveryState.QUEUED,
            priority=priority,
            not_before__gt=now,
            # It is due at the end of the pause. A million others may wait for a later time.
            not_before__lte=now + LENGTH,
            reason=Reason.CONFIGURATION,
        )
        .order_by("-not_before")
        .first()
        for priority in Priority
    )
    return max(filter(None, found), key=lambda row: row.not_before, default=None)


def current() -> Pause | None:
    """Return the current pause of the queue, or None if messages are sent."""
    if row := paused_by():
        since = row.not_before - LENGTH
        return Pause("configuration", row.error_class, row.error_code, since, row.not_before)
    hour = budget.current()
    if hour and hour.is_used_up and hour.until:
        return Pause("budget", "", "", None, hour.until)
    return None
