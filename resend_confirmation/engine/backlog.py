"""Limits on the rows that strangers cause, enforced without a statement in most requests."""

import logging
import time
from collections.abc import Callable
from typing import Protocol

from .. import conf, database
from ..conf import HOUR
from ..deliveries import unresolved
from ..models import RequestRecord

logger = logging.getLogger("resend_confirmation")

#: Number of inserts between two counts of the rows. They are also counted at the first insert after
#: a period in which requests were dropped.
CHECK_INTERVAL = 256
#: Seconds for which requests are dropped after a count has reached the cap, and for which refused
#: requests are not recorded. Several records are written after each of these periods.
CLOSED_FOR = 5.0
UNRECORDED_FOR = 60.0
#: Divisor of the cap. While the cap is reached, a network is admitted up to this share of the cap,
#: counted over its recent requests.
FEW = 100
#: Multiple of the cap at which the requests of all networks are dropped.
CEILING = 2
#: Minimum number of seconds between two log lines on networks that reached their limit.
INTERVAL = 60.0


class Caller(Protocol):
    """The network that a request comes from, as far as it is known."""

    def may_store(self) -> bool:
        """Count one request to store; return False if its network has reached the limit."""

    def count_below(self, few: int) -> bool:
        """Count one recent request; return False if its network has made ``few`` already."""


class Unknown:
    """A caller from an unknown network, which has no share of a full backlog."""

    def may_store(self) -> bool:
        return True

    def count_below(self, few: int) -> bool:
        return False


UNKNOWN = Unknown()


class Cap:
    """A limit on rows, ``BACKLOG``, for which they are counted from time to time.

    While it is reached, only networks with few recent requests may add rows; at ``CEILING`` times
    the cap, no network may. ``text`` is logged with the number of those that were refused.
    """

    def __init__(self, count: Callable[[int], int], closed_for: float, text: str) -> None:
        self._count, self._closed_for, self._text = count, closed_for, text
        self.reset()

    def reset(self) -> None:
        """Reset the counts of this process."""
        self._closed_until, self._is_full = 0.0, False
        self._shed = self._inserted = 0

    def has_room(self, has_few: Callable[[], bool]) -> bool:
        """Return whether one more row may be added; count it if not."""
        if time.monotonic() < self._closed_until and (self._is_full or not has_few()):
            self._shed += 1
            return False
        return True

    def is_check_due(self, rows: int = 1) -> bool:
        """Count ``rows`` to add, and return whether ``check`` has to be called along with that."""
        before, self._inserted = self._inserted, self._inserted + rows
        is_time = before // CHECK_INTERVAL != self._inserted // CHECK_INTERVAL
        return is_time or (self._shed > 0 and time.monotonic() >= self._closed_until)

    def check(self) -> None:
        """Count the rows, and refuse the next ones if the cap is reached.

        It does not depend on an identity, so its duration reveals nothing about it.
        """
        cap = conf.get().BACKLOG
        if self._shed:
            logger.warning(self._text, self._shed, cap)
            self._shed = 0
        count = self._count(CEILING * cap)
        self._is_full = count >= CEILING * cap
        if count >= cap:
            self._closed_until = time.monotonic() + self._closed_for


def _recent_refusals(limit: int) -> int:
    """Return the number of refused requests of the last hour, counted up to ``limit``."""
    recent = RequestRecord.objects.filter(delivery=None, asked_at__gt=database.now() - HOUR)
    return recent[:limit].count()


#: The quiet requests that are not resolved yet, and the refused requests that are recorded.
unanswered = Cap(
    unresolved.count,
    CLOSED_FOR,
    "Dropped %d requests: the backlog limit of %d unresolved requests is reached",
)
refused = Cap(
    _recent_refusals,
    UNRECORDED_FOR,
    "Did not record %d refused requests: the limit of %d in an hour is reached",
)

_beyond = 0
_said_at = -INTERVAL


def admits(caller: Caller) -> bool:
    """Return whether one more quiet request may be stored; count it if not."""
    # It counts while there is room, too, so that it knows the network once there is none.
    is_rare = has_few(caller)
    if not unanswered.has_room(lambda: is_rare):
        return False
    if not caller.may_store():
        _note_beyond()
        return False
    return True


def has_few(caller: Caller) -> bool:
    """Count one request, and return whether the network of ``caller`` has made few recently."""
    return caller.count_below(max(1, conf.get().BACKLOG // FEW))


def _note_beyond() -> None:
    global _beyond, _said_at  # noqa: PLW0603 - counters per process
    _beyond += 1
    if time.monotonic() - _said_at >= INTERVAL:
        logger.warning(
            "Dropped %d requests: their networks reached QUIET_REQUESTS_PER_NETWORK", _beyond
        )
        _beyond, _said_at = 0, time.monotonic()


def reset() -> None:
    """Reset the counts of this process."""
    global _beyond, _said_at
    unanswered.reset()
    refused.reset()
    _beyond, _said_at = 0, -INTERVAL
