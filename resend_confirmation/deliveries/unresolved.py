"""Quiet requests: deliveries in the state 'asked', until the courier has resolved them."""

from datetime import datetime
from typing import Any

from .. import database
from ..models import Delivery
from ..outcomes import DeliveryState, Priority, Reason
from . import states

#: Columns with values for the message and the redirect, erased if there will be neither.
_ERASED: dict[str, Any] = dict.fromkeys(
    ("identity", "client_state", "payload", "language", "accept_language"), ""
)


def due(limit: int) -> list[Delivery]:
    """Return up to ``limit`` due requests, the most overdue first."""
    rows = Delivery.objects.filter(state=DeliveryState.ASKED, priority=Priority.PEOPLE)
    rows = rows.filter(not_before__lte=database.latest()).order_by("not_before", "pk")
    return list(rows[:limit])


def count(limit: int) -> int:
    """Return the number of unresolved requests, counted up to ``limit``."""
    return Delivery.objects.filter(state=DeliveryState.ASKED)[:limit].count()


def hold(request: Delivery) -> bool:
    """Lock the row until the transaction ends, and erase its identity; return False if resolved.

    Attempts to resolve are not attempts to send, so the count starts again.
    """
    return bool(_row(request).update(identity="", attempts=0))


def queue(request: Delivery, **values: Any) -> bool:
    """Queue the message of a request that was resolved."""
    return states.move(request.pk, DeliveryState.QUEUED, identity="", **values)


def ignore(request: Delivery, reason: Reason, **values: Any) -> bool:
    """End a request without a message."""
    values |= _ERASED | {"reason": reason}
    return states.move(request.pk, DeliveryState.IGNORED, **values)


def fail(request: Delivery, reason: Reason) -> bool:
    """End a request that could not be resolved."""
    values = _ERASED | {"reason": reason}
    return states.move(request.pk, DeliveryState.FAILED, **values)


def postpone(request: Delivery, attempts: int, until: datetime) -> None:
    """Make a request due again at ``until``."""
    _row(request).update(attempts=attempts, not_before=until)


def _row(request: Delivery) -> Any:
    return Delivery.objects.filter(states.IS_ASKED, pk=request.pk)
