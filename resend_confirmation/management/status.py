"""``resend_confirmation status``: counts of the outbox and the confirmations."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Min, Q

from .. import database
from ..courier import pause
from ..courier.pause import Pause
from ..deliveries import states
from ..limits import budget
from ..limits.budget import Budget
from ..models import Confirmation, Delivery
from ..outcomes import ConfirmationState, DeliveryState


@dataclass(frozen=True, slots=True)
class Status:
    """The outbox and the confirmations at one moment; its fields are the keys of ``--json``.

    ``deliveries`` and ``confirmations``: rows by state, including states without rows.
    ``unresolved``: quiet requests not resolved yet. ``due``: rows that a courier would claim now,
    including expired leases. ``oldest_due_seconds``: the age of the oldest of them, or None.
    ``retrying``: queued rows with earlier attempts.
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
        """Return the values for JSON. The keys are stable between versions."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return value.isoformat() if isinstance(value, datetime) else value


def read() -> Status:
    """Read the counts, in a handful of statements."""
    now = database.latest()
    ready = states.IS_WAITING & Q(not_before__lte=now)
    left_behind = states.IS_CLAIMED & Q(lease_until__lt=now)
    due = Delivery.objects.filter(ready | left_behind)
    found = due.aggregate(count=Count("pk"), since=Min("not_before"))
    since = found["since"]
    deliveries = _by_state(Delivery, DeliveryState.values)
    found_pause = pause.current()
    return Status(
        deliveries=deliveries,
        due=found["count"],
        oldest_due_seconds=(now - since).total_seconds() if since else None,
        unresolved=deliveries[DeliveryState.ASKED],
        retrying=Delivery.objects.filter(states.IS_QUEUED, attempts__gt=0).count(),
        paused=found_pause is not None,
        pause=found_pause,
        budget=budget.current(),
        confirmations=_by_state(Confirmation, ConfirmationState.values),
    )


def _by_state(model: Any, states: list[str]) -> dict[str, int]:
    rows = model.objects.order_by().values_list("state").annotate(Count("pk"))
    return dict.fromkeys(states, 0) | dict(rows)
