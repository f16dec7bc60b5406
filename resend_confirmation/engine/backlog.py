"""The backlog: a bound on unresolved asks, kept without a statement in most requests."""

import logging
import time

from .. import conf
from ..models import Delivery
from ..outcomes import DeliveryState

logger = logging.getLogger("resend_confirmation")

#: The rows are counted after every so many inserts, and at once after the door reopens.
EVERY = 256
#: Seconds for which asks are dropped once the cap was found to be reached.
CLOSED_FOR = 5.0

_closed_until = 0.0
_dropped = 0
_inserted = 0


def admits() -> bool:
    """Whether one more ask may be written; a refused one is counted."""
    global _dropped  # noqa: PLW0603 - a counter per process
    if time.monotonic() < _closed_until:
        _dropped += 1
        return False
    return True


def inserted() -> None:
    """Note an ask that was written; now and then, look whether the cap is reached.

    The look costs one statement in 256, whatever the identity, so it tells nothing of it.
    """
    global _closed_until, _dropped, _inserted  # noqa: PLW0603 - counters per process
    _inserted += 1
    if _inserted % EVERY and not _dropped:
        return
    cap = conf.get().BACKLOG
    unresolved = Delivery.objects.filter(state=DeliveryState.ASKED)
    if _dropped:
        logger.warning("%d asks were dropped: %d wait to be resolved", _dropped, cap)
        _dropped = 0
    if unresolved[:cap].count() >= cap:
        _closed_until = time.monotonic() + CLOSED_FOR


def reset() -> None:
    """Forget what this process counted."""
    global _closed_until, _dropped, _inserted
    _closed_until, _dropped, _inserted = 0.0, 0, 0
