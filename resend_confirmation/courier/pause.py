"""Pauses of the queue: e-mail settings that do not work, or an hourly budget that is used up."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from .. import database
from ..deliveries import states
from ..limits import budget
from ..models import Delivery
from ..outcomes import Reason

#: Length of the pause after the mail server did not accept the settings.
LENGTH = timedelta(minutes=1)


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
            states.IS_QUEUED,
            not_before__gt=database.latest(),
            reason=Reason.CONFIGURATION,
        )
        .order_by("-not_before")
        .first()
    )


def current() -> Pause | None:
    """Return the current pause of the queue, or None if messages are sent."""
    if row := paused_by():
        since = row.not_before - LENGTH
        return Pause("configuration", row.error_class, row.error_code, since, row.not_before)
    hour = budget.current()
    if hour and hour.is_used_up and hour.until:
        return Pause("budget", "", "", None, hour.until)
    return None
