"""What ``resend_confirmation status`` counts."""

from dataclasses import asdict, dataclass
from typing import Any

from django.db.models import Count, Min, Q
from django.utils import timezone

from ..models import Confirmation, Delivery
from ..outcomes import ConfirmationState, DeliveryState


@dataclass(frozen=True, slots=True)
class Status:
    """The outbox and the confirmations at one moment; the fields are the keys of ``--json``.

    ``deliveries`` and ``confirmations``: rows by state, every state named. ``unresolved``: asks
    that nobody has looked up yet. ``due``: rows that a courier would take now, among them those
    whose courier died. ``oldest_due_seconds``: for how long the oldest of them has been due,
    None when there is none.
    """

    deliveries: dict[str, int]
    due: int
    oldest_due_seconds: float | None
    unresolved: int
    confirmations: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        """For JSON; the keys stay as they are from version to version."""
        return asdict(self)


def read() -> Status:
    """Count, in three statements."""
    now = timezone.now()
    ready = Q(state__in=[DeliveryState.ASKED, DeliveryState.QUEUED], not_before__lte=now)
    left_behind = Q(state=DeliveryState.SENDING, lease_until__lt=now)
    due = Delivery.objects.filter(ready | left_behind)
    found = due.aggregate(count=Count("pk"), since=Min("not_before"))
    since = found["since"]
    deliveries = _by_state(Delivery, DeliveryState.values)
    return Status(
        deliveries=deliveries,
        due=found["count"],
        oldest_due_seconds=(now - since).total_seconds() if since else None,
        unresolved=deliveries[DeliveryState.ASKED],
        confirmations=_by_state(Confirmation, ConfirmationState.values),
    )


def _by_state(model: Any, states: list[str]) -> dict[str, int]:
    rows = model.objects.order_by().values_list("state").annotate(Count("pk"))
    return dict.fromkeys(states, 0) | dict(rows)
