"""What ``resend_confirmation status`` counts."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Min, Q

from .. import clock
from ..courier.pause import Budget, Pause, budget, pause
from ..models import Confirmation, Delivery
from ..outcomes import ConfirmationState, DeliveryState


@dataclass(frozen=True, slots=True)
class Status:
    """The outbox and the confirmations at one moment; the fields are the keys of ``--json``.

    ``deliveries`` and ``confirmations``: rows by state, every state named. ``unresolved``: asks
    that nobody has looked up yet. ``due``: rows that a courier would take now, among them those
    whose courier died. ``oldest_due_seconds``: for how long the oldest of them has been due,
    None when there is none. ``retrying``: queued rows that were tried before.
    """

    deliveries: dict[str, int]
    due: int
    oldest_due_seconds: float | None
    unresolved: int
    retrying: int
    paused: bool
    pause: Pause | None
    budget: Budget | None
    confirmations: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        """For JSON; the keys stay as they are from version to version."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return value.isoformat() if isinstance(value, datetime) else value


def read() -> Status:
    """Count, in a handful of statements."""
    now = clock.latest()
    ready = Q(state__in=[DeliveryState.ASKED, DeliveryState.QUEUED], not_before__lte=now)
    left_behind = Q(state=DeliveryState.SENDING, lease_until__lt=now)
    due = Delivery.objects.filter(ready | left_behind)
    found = due.aggregate(count=Count("pk"), since=Min("not_before"))
    since = found["since"]
    deliveries = _by_state(Delivery, DeliveryState.values)
    found_pause = pause()
    return Status(
        deliveries=deliveries,
        due=found["count"],
        oldest_due_seconds=(now - since).total_seconds() if since else None,
        unresolved=deliveries[DeliveryState.ASKED],
        retrying=Delivery.objects.filter(state=DeliveryState.QUEUED, attempts__gt=0).count(),
        paused=found_pause is not None,
        pause=found_pause,
        budget=budget(),
        confirmations=_by_state(Confirmation, ConfirmationState.values),
    )


def _by_state(model: Any, states: list[str]) -> dict[str, int]:
    rows = model.objects.order_by().values_list("state").annotate(Count("pk"))
    return dict.fromkeys(states, 0) | dict(rows)
