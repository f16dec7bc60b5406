"""Superseding: a newer delivery of a confirmation replaces the older ones that wait."""

from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from .. import database
from ..models import Delivery
from ..outcomes import Reason
from . import states


def with_others(deliveries: QuerySet[Delivery]) -> Any:
    """Annotate whether a newer delivery of the confirmation exists, and whether older ones wait."""
    older = _same().filter(
        states.IS_QUEUED, pk__lt=OuterRef("pk"), priority__gte=OuterRef("priority")
    )
    return deliveries.annotate(is_superseded=Exists(newer()), supersedes=Exists(older))


def newer() -> QuerySet[Delivery]:
    """Return the deliveries that supersede the one in the outer query.

    What a bulk run queued does not supersede what a person requested.
    """
    rows = _same().filter(pk__gt=OuterRef("pk"), priority__lte=OuterRef("priority"))
    return rows.exclude(states.IS_IGNORED)


def _same() -> QuerySet[Delivery]:
    return Delivery.objects.filter(confirmation=OuterRef("confirmation_id"))


def end_older(confirmation_id: int, newer: Delivery) -> None:
    """End the waiting deliveries that ``newer`` supersedes, which has its own slot."""
    rows = _waiting(confirmation_id).filter(pk__lt=newer.pk, priority__gte=newer.priority)
    with database.atomic():
        for older in _end_all(rows):
            release(older)


def end_waiting(confirmation_id: int) -> list[Delivery]:
    """End the waiting deliveries and return them; the caller decides about their slots.

    A delivery that a courier has claimed is left alone: the gate keeps the gap between messages.
    """
    return _end_all(_waiting(confirmation_id))


def release(delivery: Delivery) -> None:
    """Release the hour's unit of a superseded delivery's slot."""
    state, _ = states.ending(Reason.SUPERSEDED, doubts=delivery.doubts)
    states.release(delivery, state)


def _waiting(confirmation_id: int) -> QuerySet[Delivery]:
    rows = Delivery.objects.select_related("confirmation")
    return rows.filter(states.IS_QUEUED, confirmation=confirmation_id)


def _end_all(rows: QuerySet[Delivery]) -> list[Delivery]:
    return [row for row in rows.order_by("pk") if _end(row)]


def _end(row: Delivery) -> bool:
    state, reason = states.ending(Reason.SUPERSEDED, doubts=row.doubts)
    return states.move(row.pk, state, states.IS_QUEUED, reason=reason)
