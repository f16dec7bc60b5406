"""Bounds of what strangers can have stored, kept without a statement in most requests."""

import logging
import time
from typing import Protocol

from .. import conf
from ..models import Delivery
from ..outcomes import DeliveryState

logger = logging.getLogger("resend_confirmation")

#: The rows are counted after every so many inserts, and at once after the door reopens.
EVERY = 256
#: Seconds for which asks are shed once the cap was found to be reached.
CLOSED_FOR = 5.0
#: Part of the cap that one network may hold once it is reached; the asks of others are shed.
FEW = 100
#: Times the cap beyond which all asks are shed.
CEILING = 2
#: Seconds between two lines of the log on networks that have stored enough.
INTERVAL = 60.0


class Caller(Protocol):
    """The network that an ask comes from, as far as it is known."""

    def may_store(self) -> bool:
        """Count one ask to store, or return False if its network has stored enough."""

    def is_modest(self, few: int) -> bool:
        """Count one ask of late, or return False if its network has made ``few`` already."""


class Unknown:
    """A caller whose network is not known, so that it has no share of a full backlog."""

    def may_store(self) -> bool:
        """Store whatever is asked for."""
        return True

    def is_modest(self, few: int) -> bool:
        """Count nothing."""
        return False


UNKNOWN = Unknown()

_closed_until = 0.0
_is_full = False
_shed = 0
_inserted = 0
_beyond = 0
_said_at = -INTERVAL


def admits(caller: Caller) -> bool:
    """Return whether one more ask may be written; a refused one is counted.

    With the backlog at its cap the networks that filled it are refused, and others are not.
    """
    global _shed  # noqa: PLW0603 - a counter per process
    is_modest = caller.is_modest(max(1, conf.get().BACKLOG // FEW))
    if time.monotonic() < _closed_until and (_is_full or not is_modest):
        _shed += 1
        return False
    if not caller.may_store():
        _note_beyond()
        return False
    return True


def inserted() -> None:
    """Note an ask that was written; now and then, look whether the cap is reached.

    The look costs one statement in 256, whatever the identity, so it tells nothing of it.
    """
    global _closed_until, _inserted, _is_full, _shed  # noqa: PLW0603 - counters per process
    _inserted += 1
    is_reopened = _shed and time.monotonic() >= _closed_until
    if _inserted % EVERY and not is_reopened:
        return
    cap = conf.get().BACKLOG
    if _shed:
        logger.warning(
            "Dropped %d requests: the backlog limit of %d unresolved requests is reached",
            _shed,
            cap,
        )
        _shed = 0
    unresolved = Delivery.objects.filter(state=DeliveryState.ASKED)[: CEILING * cap].count()
    _is_full = unresolved >= CEILING * cap
    if unresolved >= cap:
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
    """Forget what this process counted."""
    global _beyond, _closed_until, _inserted, _is_full, _said_at, _shed
    _closed_until, _is_full, _shed, _inserted = 0.0, False, 0, 0
    _beyond, _said_at = 0, -INTERVAL
