"""Hourly budget of the site's messages, counted in one row like an address's cooldown."""

import logging
from datetime import datetime
from typing import NamedTuple

from django.db.models import F, Q

from .. import addresses, conf, database
from ..models import Cooldown
from ..outcomes import Origin
from . import cooldown

logger = logging.getLogger("resend_confirmation")


class Budget(NamedTuple):
    """The hourly budget: its limit, the messages used, and the end of the hour."""

    limit: int
    used: int = 0
    until: datetime | None = None

    @property
    def is_used_up(self) -> bool:
        """True if all messages wait for the next hour."""
        return self.used >= self.limit

    @property
    def is_rest_reserved(self) -> bool:
        """True if resends wait for the next hour, and first messages are still sent."""
        return not self.is_used_up and self.used >= limit_for(self.limit, Origin.REQUEST, sends=1)


def limit_for(limit: int, origin: int, sends: int) -> int:
    """Return how many messages of this hour may precede one with this ``origin`` and ``sends``.

    A fifth of ``limit`` is reserved for sign-ups and for runs to people who never got a message.
    Another fifth is reserved for the first messages that such people request themselves. Repeated
    requests by strangers therefore cannot use up the whole budget.
    """
    kept = max(1, limit // 5)
    if sends:
        return max(1, limit - 2 * kept)
    return max(1, limit - kept) if origin == Origin.REQUEST else limit


def current() -> Budget | None:
    """Return the budget of this hour, or None if no budget is set."""
    limit = conf.get().HOURLY_BUDGET
    if not limit:
        return None
    hour_from = database.now() - conf.HOUR
    row = Cooldown.objects.filter(digest=_key(), hour_from__gt=hour_from).first()
    return Budget(limit, row.hour_count, row.hour_from + conf.HOUR) if row else Budget(limit)


def take(origin: int, sends: int) -> Budget | None:
    """Count one message in this hour. Return the budget if it has no room for the message.

    ``sends`` is the number of messages that were sent for its confirmation before.
    """
    limit = conf.get().HOURLY_BUDGET
    if not limit:
        return None
    share = conf.Cooldown(per_hour=limit_for(limit, origin, sends))
    if cooldown.count(_key(), database.now(), share):
        return None
    budget = current() or Budget(limit)
    _warn_once(budget)
    return budget


def _warn_once(budget: Budget) -> None:
    """Log that messages wait, once an hour for all couriers. The row's ``sent_at`` records it."""
    unsaid = Q(sent_at=None) | Q(sent_at__lt=F("hour_from"))
    rows = Cooldown.objects.filter(unsaid, digest=_key())
    if budget.until and rows.update(sent_at=database.now()):
        logger.warning(
            "HOURLY_BUDGET: %d of %d messages were sent; the rest wait until %s",
            budget.used,
            budget.limit,
            budget.until.isoformat(timespec="seconds"),
        )


def _key() -> str:
    return addresses.keyed_digests("site", "budget")[0]
