"""Superseding: a newer delivery of a confirmation replaces the older ones that wait."""

from functools import partial
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from .. import database
from ..models import Delivery
from ..outcomes import DeliveryState, Reason
from ..signals import delivery_changed
from . import states


def with_others(deliveries: QuerySet[Delivery]) -> Any:
    """Annotate whether a newer delivery of the confirmation exists, and whether older ones wait."""
    same = Delivery.objects.filter(confirmation=OuterRef("confirmation_id"))
    newer = same.filter(pk__gt=OuterRef("pk")).exclude(state=DeliveryState.IGNORED)
    older = same.filter(pk__lt=OuterRef("pk"), state=DeliveryState.QUEUED)
    return deliveries.annotate(is_superseded=Exists(newer), supersedes=Exists(older))


def end_of(delivery: Delivery) -> DeliveryState:
    """Return the final state of a superseded delivery: UNKNOWN if it may have been sent."""
    return DeliveryState.UNKNOWN if delivery.doubts else DeliveryState.SUPERSEDED


def end_older(confirmation_id: int, newer: int) -> None:
    """End the waiting deliveries that are older than ``newer``, which has its own slot."""
    with database.atomic():
        for older in _end_all(_waiting(confirmation_id).filter(pk__lt=newer)):
            states.release(older, DeliveryState.SUPERSEDED)


def end_waiting(confirmation_id: int) -> list[Delivery]:
    """End the waiting deliveries and return them; the caller decides about their slots.

    A delivery that a courier has claimed is left alone: the gate keeps the gap between messages.
    """
    return _end_all(_waiting(confirmation_id))


def _waiting(confirmation_id: int) -> QuerySet[Delivery]:
    rows = Delivery.objects.select_related("confirmation")
    return rows.filter(confirmation=confirmation_id, state=DeliveryState.QUEUED)


def _end_all(rows: QuerySet[Delivery]) -> list[Delivery]:
    return [row for row in rows.order_by("pk") if _end(row)]


def _end(row: Delivery) -> bool:
    state = end_of(row)
    with database.atomic():
        ended = Delivery.objects.filter(pk=row.pk, state=DeliveryState.QUEUED).update(
            state=state, reason=Reason.SUPERSEDED, ended_at=database.now()
        )
        if not ended:
            return False
        told = {"delivery_id": row.pk, "state": state, "reason": Reason.SUPERSEDED}
        tell = partial(delivery_changed.send_robust, Delivery, **told)
        database.on_commit(tell)
    return True
