"""Limits on stored quiet requests, enforced without a statement in most requests."""

import logging
import time
from typing import Protocol

from .. import conf
from ..deliveries import unresolved

logger = logging.getLogger("resend_confirmation")

#: Number of inserts between two counts of the rows. They are also counted at the first insert after
#: a period in which requests were dropped.
CHECK_INTERVAL = 256
#: Seconds for which requests are dropped after a count has reached the cap.
CLOSED_FOR = 5.0
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

_closed_until = 0.0
_is_full = False
_shed = 0
_inserted = 0
_beyond = 0
_said_at = -INTERVAL


def admits(caller: Caller) -> bool:
    """Return whether one more request may be stored; count it if not.

    While the backlog is at its cap, only networks with few recent requests are admitted. At
    ``CEILING`` times the cap, no network is.
    """
    global _shed  # noqa: PLW0603 - a counter per process
    has_few = caller.count_below(max(1, conf.get().BACKLOG // FEW))
    if time.monotonic() < _closed_until and (_is_full or not has_few):
        _shed += 1
        return False
    if not caller.may_store():
        _note_beyond()
        return False
    return True


def is_check_due() -> bool:
    """Count a request to store, and return whether ``check`` has to be called after its INSERT."""
    global _inserted  # noqa: PLW0603 - a counter per process
    _inserted += 1
    return _inserted % CHECK_INTERVAL == 0 or (_shed > 0 and time.monotonic() >= _closed_until)


def check() -> None:
    """Count the stored requests, and drop the next ones if the cap is reached.

    It does not depend on the identity, so its duration reveals nothing about it.
    """
    global _closed_until, _is_full, _shed  # noqa: PLW0603 - counters per process
    cap = conf.get().BACKLOG
    if _shed:
        logger.warning(
            "Dropped %d requests: the backlog limit of %d unresolved requests is reached",
            _shed,
            cap,
        )
        _shed = 0
    count = unresolved.count(CEILING * cap)
    _is_full = count >= CEILING * cap
    if count >= cap:
        _closed_until = time.monotonic() + CLOSED_FOR


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
    global _beyond, _closed_until, _inserted, _is_full, _said_at, _shed
    _closed_until, _is_full, _shed, _inserted = 0.0, False, 0, 0
    _beyond, _said_at = 0, -INTERVAL
